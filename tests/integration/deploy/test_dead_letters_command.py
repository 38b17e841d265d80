"""`tidegauge dead-letters` as an operator types it, beside an aggregator at work."""

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import numpy as np
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.ledger.accounts import Account, total
from shared.ledger.entries import Line
from shared.model.point import Points
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message, Sender
from shared.wire import envelope, events
from shared.wire.series import pack, partition_of, series_id
from shared.wire.topics import EVENTS, METRICS, Topic
from tests.support.processes.harness import PARTITIONS, Harness
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))

WRONG = "noon"
"""A receive time that no reader takes, until it is mended."""

AGE_MS = 60_000
"""Of the points, so that their windows have closed by now."""

MESSAGES, POINTS, REFUSED = 5, 3, 2
"""So many messages of so many points, and what their gateway refused besides."""

_BLOCKED = "SELECT {} FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"
"""Sessions that wait for another."""

GARBAGE = b"\xc1 nobody reads this \x00\x01"


def build(stack: Stack, folder: Path, service: str, reads: Topic) -> Harness:
    """A harness under a prefix of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    prefix = f"t{tenant_id}."
    return Harness(
        stack.kafka, stack.postgres, stack.redis, "aiokafka", prefix, tenant_id, folder, service, reads
    )


@pytest_asyncio.fixture
async def harness(stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """Topics and an aggregator of its own."""
    made = build(stack, tmp_path, "aggregator", METRICS)
    await made.create()
    await made.worker()
    yield made
    await made.remove()


@pytest_asyncio.fixture
async def intake(stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """Topics and an ingest of its own."""
    made = build(stack, tmp_path, "ingest", EVENTS)
    await made.create()
    await made.worker()
    yield made
    await made.remove()


async def test_letters_are_listed_and_shown(harness: Harness) -> None:
    """With their reasons, counts and bytes; filters leave others out."""
    await publish(harness, [(1, GARBAGE), (1, message(harness, 1)[1])])
    await harness.caught_up()
    name = f"{harness.topic}/1/0"

    code, text = await run(harness, "list", "--topic", harness.topic)
    assert (0, f"{harness.topic}: bad_batch 2, 0 of them replayed") == (code, text.splitlines()[-1])
    assert name in text.split()
    assert name not in (await run(harness, "list", "--topic", harness.topic, "--code=bad_events"))[1].split()
    later = await run(harness, "list", "--topic", harness.topic, "--since=2999-01-01")
    assert (0, "there are no such dead letters\n") == later

    code, text = await run(harness, "show", name)
    assert (0, "origin    " + f"{harness.topic}, partition 1, offset 0") == (code, text.splitlines()[0])
    assert "c1 20 6e 6f 62 6f 64 79 20 72 65 61 64 73 20 74  . nobody reads t" in text
    assert (0, GARBAGE.decode("latin-1")) == await run(harness, "show", "--raw", name)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("show", "x/1/2"), "there is no dead letter 'x/1/2': `tidegauge dead-letters list` names them"),
        (("list", "--since=noon"), "--since: must be an instant such as 2026-03-01T12:00Z"),
    ],
)
async def test_what_there_is_not_is_said(stack: Stack, words: tuple[str, ...], problem: str) -> None:
    """One sentence and exit code 1."""
    assert (1, f"tidegauge: {problem}\n") == await typed(stack.environ, *words)


async def test_a_letter_counts_once_however_often_it_is_replayed(harness: Harness) -> None:
    """By filter, by id and by both; the ledger closes, and says that nothing is dead any more."""
    names = await dead_lettered_and_upgraded(harness)

    assert (0, f"replayed {MESSAGES}\n") == await run(harness, "replay", "--topic", harness.topic)
    assert (0, "replayed 2\n") == await run(harness, "replay", *names[:2])
    assert (0, "nothing had to be replayed\n") == await run(harness, "replay", "--topic", harness.topic)
    _, text = await run(harness, "list", "--topic", harness.topic)

    assert {"counted": MESSAGES * POINTS, "received": MESSAGES * (POINTS + REFUSED)} == await ledger_counts(
        harness
    )
    assert f"bad_batch {MESSAGES}, {MESSAGES} of them replayed" in text
    assert "(2x)" in text


async def test_a_replay_that_is_killed_in_the_middle_is_run_again(harness: Harness) -> None:
    """When everything is in the log again, and nothing is marked."""
    await dead_lettered_and_upgraded(harness)
    before = sum((await harness.ends()).values())
    conn = await asyncpg.connect(harness.postgres)
    async with conn.transaction():
        await conn.execute("SELECT FROM dead_letter WHERE topic = $1 FOR UPDATE", harness.topic)
        process = await started(harness.environ(), "replay", "--topic", harness.topic)

        async def is_blocked() -> bool:
            return bool(await harness.sql(_BLOCKED.format("pid"), conn.get_server_pid()))

        await until(is_blocked, "all is published, and about to be marked")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        # Postgres would mark them all the same, without anybody who waits for it.
        await harness.sql(_BLOCKED.format("pg_terminate_backend(pid)"), conn.get_server_pid())
    await conn.close()
    assert before + MESSAGES == sum((await harness.ends()).values())

    assert (0, f"replayed {MESSAGES}\n") == await run(harness, "replay", "--topic", harness.topic)
    assert {"counted": MESSAGES * POINTS, "received": MESSAGES * (POINTS + REFUSED)} == await ledger_counts(
        harness
    )


async def test_what_still_cannot_be_used_is_a_letter_again(harness: Harness) -> None:
    """Once, with its replay as its origin; after an upgrade both are replayed, and count once."""
    names = await dead_lettered_and_upgraded(harness, upgraded=False)

    await run(harness, "replay", names[0])
    await harness.caught_up()
    assert MESSAGES + 1 == len(await harness.dead_letters())
    await upgrade(harness)
    assert (0, f"replayed {MESSAGES}\n") == await run(harness, "replay", "--topic", harness.topic)
    await run(harness, "replay", names[0])

    assert {"counted": MESSAGES * POINTS, "received": MESSAGES * (POINTS + REFUSED)} == await ledger_counts(
        harness
    )


async def test_events_of_a_letter_are_stored_once_however_often_it_is_replayed(intake: Harness) -> None:
    """Their ids are known; a repeat is one in the ledger, which closes."""
    happened = [events.Event(intake.tenant_id, f"id-{number}", "click", now_ms()) for number in range(POINTS)]
    batch = events.EventBatch(now_ms(), happened, [(intake.tenant_id, "received", POINTS)])
    fields = msgspec.json.decode(events.encode(batch)) | {"received_at_ms": WRONG}
    await publish(intake, [(2, msgspec.json.encode(fields))])
    await intake.caught_up()
    await intake.sql("UPDATE dead_letter SET value = $2 WHERE topic = $1", intake.topic, events.encode(batch))

    assert (0, "replayed 1\n") == await run(intake, "replay", "--topic", intake.topic)
    await intake.caught_up()
    assert {"counted": POINTS, "received": POINTS} == await booked(intake)
    assert (0, "replayed 1\n") == await run(intake, "replay", f"{intake.topic}/2/0")
    await intake.caught_up()

    (stored,) = await intake.sql("SELECT count(*) FROM event WHERE tenant_id = $1", intake.tenant_id)
    assert stored["count"] == POINTS
    assert {"counted": POINTS, "received": POINTS} == await booked(intake)


def message(harness: Harness, number: int) -> tuple[int, bytes]:
    """A message of points by its partition."""
    now = now_ms()
    packed = pack(Series(harness.tenant_id, "letters", "gauge", "", (("n", str(number)),)))
    points = Points(np.zeros(POINTS, np.uint16), np.full(POINTS, now - AGE_MS), np.ones(POINTS))
    entries = [
        Line(harness.tenant_id, "received", POINTS + REFUSED),
        Line(harness.tenant_id, "rejected:ts_too_old", REFUSED),
    ]
    batch = envelope.PointBatch("gateway-1", number, now, [packed], points, [], entries)
    fields = msgspec.msgpack.decode(envelope.encode(batch)) | {"received_at_ms": WRONG}
    return partition_of(series_id(packed), PARTITIONS), msgspec.msgpack.encode(fields)


async def publish(harness: Harness, messages: list[tuple[int, bytes]]) -> None:
    """Put messages on the topic of points."""
    sender = Sender(harness.kafka, "test")
    await sender.send([Message(harness.topic, partition, value) for partition, value in messages])
    await sender.close()


async def dead_lettered_and_upgraded(harness: Harness, *, upgraded: bool = True) -> list[str]:
    """Ids of letters that the aggregator could not read when they came, and can now."""
    await publish(harness, [message(harness, number + 1) for number in range(MESSAGES)])
    await harness.caught_up()
    if upgraded:
        await upgrade(harness)
    return [
        f"{harness.topic}/{partition}/{offset}" for partition, offset in sorted(await harness.dead_letters())
    ]


async def upgrade(harness: Harness) -> None:
    """Let the aggregator read the letters: instead of a newer service, they become what this one can read."""
    for row in await harness.sql("SELECT * FROM dead_letter WHERE topic = $1", harness.topic):
        value = msgspec.msgpack.encode(msgspec.msgpack.decode(row["value"]) | {"received_at_ms": now_ms()})
        await harness.sql(
            'UPDATE dead_letter SET value = $4 WHERE (topic, partition, "offset") = ($1, $2, $3)',
            *(row["topic"], row["partition"], row["offset"], value),
        )


async def ledger_counts(harness: Harness) -> dict[str, int]:
    """What the tables and the ledger say when everything has come through; every minute of them closes."""
    tick = envelope.tick("clock:test", now_ms(), now_ms())
    await publish(harness, [(partition, tick) for partition in range(PARTITIONS)])
    await harness.caught_up()
    (points,) = await harness.sql(
        "SELECT coalesce(sum(count), 0) AS points FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1",
        harness.tenant_id,
    )
    found = await booked(harness)
    assert points["points"] == found["counted"]
    return found


async def booked(harness: Harness) -> dict[str, int]:
    """What the ledger says of what came in and counted; every minute of them closes."""
    minutes: dict[Any, Counter[str]] = {}
    for row in await harness.sql("SELECT * FROM ledger_1m WHERE tenant_id = $1", harness.tenant_id):
        minutes.setdefault(row["minute"], Counter())[row["outcome"]] += row["count"]
    assert {0} == {Account(minute).difference for minute in minutes.values()}
    whole = total(map(Account, minutes.values()))
    repeated = whole.of("duplicate")
    assert [-repeated] == list(whole.by_code("dead_lettered").values())
    return {name: whole.of(name) for name in ("counted", "received")}


async def run(harness: Harness, *words: str) -> tuple[int, str]:
    """Exit code and all that the command prints."""
    return await typed(harness.environ(), *words)


async def typed(environ: Any, *words: str) -> tuple[int, str]:
    """The same, wherever it looks."""
    process = await started(environ, *words)
    text, _ = await process.communicate()
    return process.returncode or 0, text.decode("latin-1" if "--raw" in words else "utf-8")


async def started(environ: Any, *words: str) -> asyncio.subprocess.Process:
    """The command, under way."""
    return await asyncio.create_subprocess_exec(
        TIDEGAUGE, "dead-letters", *words,
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
