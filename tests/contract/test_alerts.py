"""What alerts promise, on real servers: every transition once, every page at least once, in order and under one key."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.wire import rollups
from shared.wire.topics import ALERTS, WINDOWS
from tests.support.http.webhook import ReceivedRequest, Reply, Webhook
from tests.support.load.timeline import RULES, Timeline
from tests.support.processes.alert_topic import published, without_repeats
from tests.support.processes.builds import THIS, Build, checked_out
from tests.support.processes.harness import PARTITIONS, Harness, Worker
from tests.support.wait import until

pytestmark = pytest.mark.servers

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))

BEFORE = "73920a5"
"""The build that wrote version 4 alone."""

SYSTEMS = 4
MOMENTS = {"kill": 4, "kill telling": 3, "freeze": 3, "freeze telling": 2, "freeze for long": 1}
"""What happens to the worker of each system, and how often, in a random order: 52 moments in all."""

TERMINATE_S = 15.0  # a worker that is told to stop is gone by then

MOMENT_S = 0.3
"""A window is judged, committed and told within about so long."""

FREEZE_S = 1.0  # the longest of the short freezes


@dataclass
class Run:
    """One system: its workers, what they read and whom they tell."""

    harness: Harness
    timeline: Timeline
    webhook: Webhook
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    fleet: tuple[tuple[Build, str], ...] = ((THIS, "4"), (THIS, "5"))
    """The builds of its workers, and the version that each writes."""

    async def worker(self) -> Worker:
        """One more, drawn from the fleet."""
        build, version = self.chance.choice(self.fleet)
        self.harness.settings = {**self.harness.settings, "ALERTS_WRITE_VERSION": version}
        return await self.harness.worker(build=build)

    async def windows(self, count: int) -> None:
        """So many windows."""
        for _ in range(count):
            await self.timeline.window()

    async def told_all(self) -> None:
        """Bring the timeline to its end and check that everybody has heard it."""
        await self.timeline.finish()
        await self.harness.caught_up()
        await until(self._all_delivered, "every notification is delivered")
        audit = await self.harness.sql(
            "SELECT rule, series_id, episode_ms, transition, key FROM alert_event WHERE series_id = ANY($1) "
            "ORDER BY episode_ms, at_ms, transition",
            list(self.timeline.series),
        )
        found = Counter(
            (row["rule"], row["series_id"], row["episode_ms"], row["transition"]) for row in audit
        )
        alert_of = {row["key"]: (row["rule"], row["series_id"]) for row in audit}
        spoken = [row["key"] for row in audit if row["transition"] in {"firing", "resolved"}]
        topic = [event.id for event in await published(self.harness.kafka, self.harness.prefix + ALERTS.name)]

        assert self.timeline.expected() == found
        assert len(audit) == len(alert_of)
        assert by_alert(spoken, alert_of) == without_repeats(by_alert(self.webhook.keys, alert_of))
        assert by_alert(spoken, alert_of) == without_repeats(by_alert(topic, alert_of))

    async def _all_delivered(self) -> bool:
        query = (
            "SELECT (SELECT count(*) FROM alert_outbox WHERE topic = $1) + count(*) AS left "
            "FROM notification WHERE topic = $1 AND delivered_at IS NULL"
        )
        return bool((await self.harness.sql(query, self.harness.topic))[0]["left"] == 0)

    async def pause(self, longest_s: float) -> None:
        """A random moment; being random is its purpose."""
        await asyncio.sleep(self.chance.uniform(0, longest_s))


def by_alert(keys: Iterable[str], alert_of: dict[str, tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
    """The keys of each alert in their order; one that is in no audit is an error."""
    found = defaultdict(list)
    for key in keys:
        found[alert_of[key]].append(key)
    return found


def write(file: Path, text: str) -> None:
    """Make a file say this, at once and whole."""
    file.parent.mkdir(exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


@asynccontextmanager
async def watching(  # what a system is made of
    stack: Stack, folder: Path, seed: int, runtime: str = "aiokafka", silent: bool = True
) -> AsyncIterator[Run]:
    """A system of its own."""
    write(folder / "rules.yml", RULES)
    tenant_id = random.SystemRandom().randrange(1 << 40)
    with Webhook() as webhook:
        settings = {"ALERTS_RULES": str(folder / "rules.yml"), "ALERTS_WEBHOOKS": f"pager={webhook.url}"}
        harness = Harness(
            stack.kafka, stack.postgres, stack.redis, runtime, f"t{tenant_id}.", tenant_id, folder, "alerts", WINDOWS,
            settings,
        )  # fmt: skip
        await harness.create()
        try:
            place = stack.kafka, harness.topic, PARTITIONS
            async with Timeline(*place, tenant_id, seed, silent=silent) as timeline:
                yield Run(harness, timeline, webhook, random.Random(seed))
        finally:
            await harness.remove()


@pytest_asyncio.fixture
async def watch(stack: Stack, tmp_path: Path) -> AsyncIterator[Run]:
    """A system without a worker yet."""
    async with watching(stack, tmp_path, SEED) as made:
        yield made


@pytest.mark.timeout(1200)
async def test_every_transition_is_told_whatever_happens(stack: Stack, tmp_path: Path) -> None:
    """Workers are killed and frozen at 52 moments around firing and resolving, in fleets of two versions.

    Half of the systems have workers of both versions of what is written, half have workers of the build before.
    """
    with checked_out(BEFORE) as before:
        fleets = ((THIS, "4"), (THIS, "5")), ((THIS, "4"), (before, "4"))
        async with asyncio.TaskGroup() as group:
            for number in range(SYSTEMS):
                seed, fleet = SEED * SYSTEMS + number, fleets[number % 2]
                group.create_task(_disturbed(stack, tmp_path / str(number), seed, fleet))


async def _disturbed(stack: Stack, folder: Path, seed: int, fleet: tuple[tuple[Build, str], ...]) -> None:
    # The build before ends an alert at a window without points: the two agree where there is none.
    async with watching(stack, folder, seed, silent=len({build for build, _ in fleet}) == 1) as watch:
        watch.fleet = fleet
        moments = [kind for kind, times in MOMENTS.items() for _ in range(times)]
        watch.chance.shuffle(moments)
        worker = await watch.worker()
        await watch.harness.owned_by(worker)
        for moment in moments:
            worker = await HAPPENS[moment](watch, worker)
            await watch.harness.caught_up()
        await watch.told_all()


async def _killed(watch: Run, worker: Worker) -> Worker:
    """It is killed somewhere between reading and telling."""
    await watch.timeline.open()
    await watch.pause(MOMENT_S)
    closing = asyncio.create_task(watch.timeline.close())
    await watch.pause(MOMENT_S)
    worker.signal(signal.SIGKILL)
    await closing
    return await watch.worker()


async def _killed_while_telling(watch: Run, worker: Worker) -> Worker:
    """It is killed while the webhook has its request and it has no answer."""
    await _strike(watch, lambda: worker.signal(signal.SIGKILL))
    return await watch.worker()


async def _frozen(watch: Run, worker: Worker) -> Worker:
    """It stands still for a moment somewhere between reading and telling."""
    await watch.timeline.open()
    await watch.pause(MOMENT_S)
    worker.signal(signal.SIGSTOP)
    await watch.timeline.close()
    await watch.pause(FREEZE_S)
    worker.signal(signal.SIGCONT)
    return worker


async def _frozen_while_telling(watch: Run, worker: Worker) -> Worker:
    """It stands still while the webhook answers."""
    await _strike(watch, lambda: worker.signal(signal.SIGSTOP))
    await watch.timeline.window()
    await watch.pause(FREEZE_S)
    worker.signal(signal.SIGCONT)
    return worker


async def _frozen_for_long(watch: Run, worker: Worker) -> Worker:
    """It stands still until another one has taken over, and finds all partitions lost when it wakes."""
    other = await watch.worker()
    await watch.harness.owned_by(worker, other)
    await _strike(watch, lambda: worker.signal(signal.SIGSTOP))
    await watch.harness.owned_by(other)
    await watch.windows(2)
    worker.signal(signal.SIGCONT)
    await watch.harness.owned_by(worker, other)
    other.signal(signal.SIGTERM)
    await watch.windows(1)
    assert await other.ended(TERMINATE_S) == 0
    return worker


HAPPENS = {
    "kill": _killed,
    "kill telling": _killed_while_telling,
    "freeze": _frozen,
    "freeze telling": _frozen_while_telling,
    "freeze for long": _frozen_for_long,
}


async def _strike(watch: Run, blow: Callable[[], None]) -> None:
    """Go on with the timeline until the webhook is told something; the blow falls before it answers."""
    struck = Event()

    def once(_: ReceivedRequest) -> Reply:
        if not struck.is_set():
            struck.set()
            blow()
        return Reply()

    watch.webhook.otherwise = once
    while not struck.is_set():
        await watch.timeline.window()
        await asyncio.to_thread(struck.wait, MOMENT_S)
    watch.webhook.otherwise = lambda _: Reply()


@pytest.mark.parametrize("runtime", ["aiokafka", "faust"])
async def test_a_story_is_told(stack: Stack, tmp_path: Path, runtime: str) -> None:
    """On both runtimes; a worker that is told to stop leaves nothing undone that its successor does not do."""
    async with watching(stack, tmp_path, SEED, runtime) as watch:
        await watch.windows(5)
        first = await watch.worker()
        await watch.harness.caught_up()
        await watch.windows(5)
        first.signal(signal.SIGTERM)
        await watch.windows(5)
        code = await first.ended(TERMINATE_S)
        await watch.worker()
        await watch.told_all()

    assert code == 0


async def test_a_receiver_that_hangs_delays_neither_others_nor_a_stop(watch: Run) -> None:
    """The pager hears everything, and a worker that is told to stop does not wait for an answer that never comes."""
    never = Event()
    with Webhook() as stuck:
        stuck.otherwise = lambda _: Reply(release=never)
        named = f"stuck={stuck.url},{watch.harness.settings['ALERTS_WEBHOOKS']}"
        watch.harness.settings = {**watch.harness.settings, "ALERTS_WEBHOOKS": named}
        worker = await watch.worker()
        await watch.windows(5)
        await watch.timeline.finish()
        delivered = {change for change in watch.timeline.expected() if change[-1] in {"firing", "resolved"}}

        async def heard() -> bool:
            return len(set(watch.webhook.keys)) == len(delivered)

        await until(heard, f"the pager has heard {len(delivered)} pages", 20)
        worker.signal(signal.SIGTERM)
        code = await worker.ended(TERMINATE_S)
        never.set()

    assert (0, True) == (code, len(stuck.keys) >= 8)


async def test_postgres_is_killed_and_comes_back(watch: Run, stack: Stack) -> None:
    """Workers outlive it, and nothing that was or is to be told is lost."""
    worker = await watch.worker()
    await watch.windows(5)
    await watch.harness.caught_up()
    stack.servers["postgres"].kill()
    await watch.windows(5)
    stack.servers["postgres"].start()
    await watch.windows(5)

    await watch.told_all()
    assert [] == worker.exits


async def test_foreign_records_become_one_dead_letter_each(watch: Run) -> None:
    """Their neighbours are judged, and they are kept once, even when the worker is killed in between."""
    await watch.windows(3)
    await watch.timeline.open()
    series = list(watch.timeline.series)
    stranger = rollups.encode(watch.timeline.windows(1, series, final=True))
    malformed = watch.timeline.windows(0, series, final=True)
    malformed.series = [b"\x81" + packed for packed in malformed.series]
    far = rollups.encode(rollups.tick(0, 0, 1 << 62))
    values = (b"\xc1", b"", b"{}", stranger, rollups.encode(malformed), far)
    placed = [await watch.timeline.send(0, value) for value in values]
    worker = await watch.worker()
    await watch.harness.caught_up()
    worker.signal(signal.SIGKILL)
    await watch.timeline.close()
    await watch.worker()
    await watch.told_all()
    codes = await watch.harness.sql(
        'SELECT "offset", code FROM dead_letter WHERE topic = $1 ORDER BY 1', watch.harness.topic
    )

    assert list(
        zip(placed, ["bad_windows"] * 3 + ["foreign_windows", "bad_series", "bad_windows"], strict=True)
    ) == [tuple(row) for row in codes]


async def test_rules_change_while_it_runs(watch: Run) -> None:
    """A sound file counts from now on; a wrong one is reported with its problems, and the old rules go on."""
    file = Path(watch.harness.settings["ALERTS_RULES"])
    worker = await watch.worker()
    await watch.harness.owned_by(worker)
    write(file, RULES.replace("> 5", ">> 5").replace("for: 20s", "for: long"))
    await _logged(worker, "rules not taken over")
    await watch.windows(3)
    await watch.told_all()
    write(file, RULES)
    await _logged(worker, "rules taken over")
    worker.signal(signal.SIGHUP)
    await _logged(worker, "rules taken over", 2)
    write(file, RULES.replace("Peak", "Summit"))
    await _logged(worker, "rules taken over", 3)
    await watch.windows(3)
    await watch.timeline.finish()
    await watch.harness.caught_up()
    found = await watch.harness.sql(
        "SELECT DISTINCT rule FROM alert_event WHERE series_id = ANY($1) AND transition = 'firing'",
        list(watch.timeline.series),
    )

    assert {"timeline/Peak", "timeline/Summit"} <= {row["rule"] for row in found}
    log = worker.log.read_text()
    assert ([], True, True) == (
        worker.exits,
        f"{file}:6:39: not PromQL" in log,
        f"{file}:11:14: 'long'" in log,
    )


async def _logged(worker: Worker, text: str, times: int = 1) -> None:
    async def fact() -> bool:
        return worker.log.read_text().count(text) >= times

    await until(fact, f"{text!r} is logged {times} times", 20)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"ALERTS_RULES": "none.yml"}, "none.yml: No such file", id="no file"),
        pytest.param({}, "TIDEGAUGE_RULES is not set", id="no setting"),
        pytest.param({"ALERTS_RULES": "bad.yml"}, "bad.yml:2:3: must be a list", id="bad file"),
        pytest.param({"ALERTS_WEBHOOKS": "x"}, "ALERTS_WEBHOOKS: x is not an http(s) URL", id="bad webhook"),
        pytest.param({"ALERTS_POOL_SIZE": "2"}, "ALERTS_POOL_SIZE: Expected `int` >= 3", id="small pool"),
    ],
)
def test_a_wrong_setting_refuses_the_start(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    """By name and place, and before anything connects: nobody listens at these addresses."""
    (tmp_path / "good.yml").write_text(RULES)
    (tmp_path / "bad.yml").write_text("groups:\n  7\n")
    nobody = {
        "TIDEGAUGE_KAFKA": "127.0.0.1:9",
        "TIDEGAUGE_POSTGRES": "postgresql://nobody@127.0.0.1:9/none",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    rules = {"ALERTS_RULES": "good.yml"} if settings else {}
    done = subprocess.run(
        [sys.executable, "-m", "services.alerts"],
        cwd=tmp_path, env=os.environ | nobody | rules | settings, capture_output=True, text=True, check=False,
        timeout=20,
    )  # fmt: skip

    assert (1, True) == (done.returncode, said in done.stderr), done.stderr
