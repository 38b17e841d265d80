"""Generated and bad bodies of every protocol over HTTP to the running system: what is accepted is in the tables.

The same bodies go the whole way in this process, which says what the tables must hold. `TIDEGAUGE_GENERATED` says how
many bodies are made of each protocol, `TIDEGAUGE_SEED` which is the first.

Bodies of a protocol follow each other, for what one means may follow from those before it: the type of a family, the
last value of a gauge. Which event of an id comes first follows from no order of ours: the table says what was derived.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import httpx2
import pytest
import pytest_asyncio

from deploy import api_keys
from deploy.local.stack import Stack
from services.ingest.projections.events import ERRORS_COUNT, EVENTS_COUNT
from shared.ledger.accounts import CODED, PLAIN
from shared.ledger.entries import coded
from shared.runtime.clock import now_ms
from shared.wire.versions import NEW
from tests.support.bad_bodies import bad_bodies
from tests.support.http.wild_post import post, with_key
from tests.support.pipeline import Pipeline, Verdict
from tests.support.processes.system import System
from tests.support.refusals import reported_points
from tests.support.wait import settled
from tests.support.wild.protocols import MAKERS
from tests.support.wild.wild_body import Maker, WildBody

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

BODIES = int(os.environ.get("TIDEGAUGE_GENERATED", "30"))
FIRST_SEED = int(os.environ.get("TIDEGAUGE_SEED", "0"))
EARLIER_MS = 61_000
"""Bodies are of so long ago, so that the latest of their points lie in windows that close soon."""

PARTIAL = frozenset({400, 422})
"""Answers of a request of which some was refused, or all: of remote write and InfluxDB 400, though the rest is kept."""

OUTCOMES = {"points": ("received", "derived", "duplicate", "conflict", "lost"), "events": PLAIN}
"""What is compared of each account; what a point of a running total adds follows from the order in its partition."""

SAMPLES = """
SELECT metric, sum(samples)::bigint AS samples FROM (
    SELECT series_id, samples FROM rollup_10s WHERE window_start >= now() - interval '6 hours'
    UNION ALL SELECT series_id, samples FROM rollup_1m WHERE window_start < now() - interval '6 hours'
) AS rows JOIN series USING (series_id) WHERE tenant_id = $1 AND kind IN ('gauge', 'delta')
  AND metric <> 'intake.refused' GROUP BY metric
"""
"""Rows of 10 s are there before those of a minute, but none takes points that come six hours late."""

EVENTS = "SELECT count(*), count(*) FILTER (WHERE type = 'error') FROM event WHERE tenant_id = $1"
OWNERS = "SELECT DISTINCT tenant_id FROM series JOIN tenant USING (tenant_id) WHERE starts_with(name, $1)"
DEAD = "SELECT code, reason FROM dead_letter WHERE starts_with(topic, $1) LIMIT 5"


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """Four services that write the newest version, which knows the samples of windows; nobody is paged."""
    settings = {"TIDEGAUGE_WRITE_VERSION": str(NEW)}
    async with System(stack, tmp_path, "http://127.0.0.1:1/", settings) as made:
        limits = "points_per_s = 1e9, points_burst = 1e9, max_series = 1000000, scrub = '{}'"
        await made.sql(f"UPDATE tenant SET {limits} WHERE name = $1", made.prefix)
        yield made


def generated(key: str, at_ms: int) -> list[Iterator[WildBody]]:
    """Bodies of each protocol, each different from all others."""
    seen = set[bytes]()

    def of(protocol: str, makers: Sequence[Maker]) -> Iterator[WildBody]:
        for seed in range(FIRST_SEED, FIRST_SEED + BODIES):
            chance = Random(f"{protocol} {seed}")
            sent = with_key(chance.choice(makers)(chance, at_ms), key)
            if sent.body not in seen:
                seen.add(sent.body)
                yield sent

    return [of(protocol, makers) for protocol, makers in MAKERS.items()]


async def posted(system: System, protocols: Iterable[Iterable[WildBody]], pipeline: Pipeline) -> Counter[str]:
    """Post all of them, to the system and to the pipeline; how often each status of a path came, with odd answers."""
    found = Counter[str]()

    async def run(client: httpx2.AsyncClient, bodies: Iterable[WildBody]) -> None:
        for sent in bodies:
            verdict = pipeline.post(sent.path, sent.request(system.tenant_id, now_ms()))
            answer = await post(client, sent, system.key)
            found[f"{sent.path} {answer.status_code}"] += 1
            taken = isinstance(verdict, Verdict)
            wanted = answer.is_success or (taken and answer.status_code in PARTIAL)
            if answer.status_code >= 500 or taken != wanted:
                found[f"odd: {verdict} but {answer.status_code} {answer.text[:200]} to {sent}"] += 1

    async with httpx2.AsyncClient(base_url=system.url, timeout=60) as client, asyncio.TaskGroup() as group:
        for bodies in protocols:
            group.create_task(run(client, bodies))
    return found


async def accounts(system: System) -> Counter[str]:
    """The account of each signal; derived are the points of neither an event in the table nor a request refused."""
    found = Counter[str]()
    for signal, outcomes in OUTCOMES.items():
        total = (await system.get("/v1/ledger", signal=signal))["total"]
        found.update({f"{signal} {name}": total[name] for name in (*outcomes, "difference")})
        for name in CODED:
            found.update({f"{signal} {coded(name, code)}": count for code, count in total[name].items()})
    found["points derived"] -= (await derived(system)).total() + int(await reported_points(system))
    return found


async def derived(system: System) -> Counter[str]:
    """The points that the events in the table have become, by metric."""
    ((events, errors),) = await system.sql(EVENTS, system.tenant_id)
    return Counter({EVENTS_COUNT: events, ERRORS_COUNT: errors})


async def samples(system: System) -> Counter[str]:
    """The samples of all windows, by metric."""
    return Counter(dict(map(tuple, await system.sql(SAMPLES, system.tenant_id))))


def wanted_accounts(pipeline: Pipeline) -> Counter[str]:
    """What the accounts must be."""
    made = pipeline.accounts(now_ms())
    points = {
        name: count for name, count in made.points.items() if name in ("received", "duplicate") or ":" in name
    }
    return Counter(
        {f"points {name}": count for name, count in points.items()}
        | {f"events {name}": count for name, count in made.events.items()}
    )


async def assert_counted(system: System, pipeline: Pipeline) -> None:
    """The ledger closes at what the pipeline let in and refused, and the tables hold it."""
    wanted = wanted_accounts(pipeline)
    assert await settled(lambda: accounts(system), wanted, 120) == wanted
    from_events = await derived(system)
    assert from_events[EVENTS_COUNT] == wanted["events counted"]
    in_windows = Counter({**pipeline.samples, **from_events})
    assert await settled(lambda: samples(system), in_windows, 120) == in_windows
    assert await system.sql(DEAD, system.prefix) == []


async def test_what_is_accepted_over_http_is_in_the_tables(system: System) -> None:
    """No 5xx; every point of a 2xx in a window, every event in its table, nothing a dead letter.

    Bad items harm no neighbour; and nothing is of the tenant whose key or number stands in a body.
    """
    other, before_ms, pipeline = api_keys.new_key("write"), now_ms() - EARLIER_MS, Pipeline(NEW)
    await api_keys.create(system.stack.postgres, f"{system.prefix}other", other, "write")
    bad = (with_key(case.sent, system.key) for case in bad_bodies(before_ms))
    foreign = (sent._replace(body=sent.body.replace(b"tg_other", other.encode())) for sent in bad)

    found = await posted(system, [foreign], pipeline)
    found += await posted(system, generated(system.key, before_ms), pipeline)

    assert [odd for odd in found if odd.startswith("odd")] == []
    await assert_counted(system, pipeline)
    owners = await system.sql(OWNERS, system.prefix)
    assert [system.tenant_id] == [row["tenant_id"] for row in owners]
