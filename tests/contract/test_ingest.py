"""Ingest on real processes and servers: whatever happens, each event is stored once and each point of it counts once.

An aggregator stands beside it and folds what is derived. Every event is sent at least three times.
"""

import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.runtime.lifecycle import EXIT_GIVEN_UP
from shared.wire.topics import EVENTS, MAX_MESSAGE_BYTES, METRICS
from tests.support.load.events import EventLoad, wrong_events
from tests.support.processes.harness import PARTITIONS, Harness, under_load
from tests.support.wait import until

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
TERMINATE_S = 15.0
"""A worker that is told to stop is gone by then."""

both = pytest.mark.parametrize("runtime", ["faust", "aiokafka"])
faust = pytest.mark.parametrize("runtime", ["faust"])
aiokafka = pytest.mark.parametrize("runtime", ["aiokafka"])


@pytest_asyncio.fixture
async def harness(runtime: str, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own, its aggregator running."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    made = Harness(
        stack.kafka, stack.postgres, stack.redis, runtime, f"t{tenant_id}.", tenant_id, tmp_path,
        service="ingest", reads=EVENTS,
    )  # fmt: skip
    await made.create()
    await made.worker("aggregator")
    yield made
    await made.remove()


@pytest_asyncio.fixture
async def load(harness: Harness) -> AsyncIterator[EventLoad]:
    """A load into the harness."""
    async with EventLoad(harness.kafka, harness.prefix, PARTITIONS, harness.tenant_id, SEED) as made:
        yield made


async def exact(harness: Harness, load: EventLoad) -> None:
    """Send the rest, close all windows, and check that everything is in the tables exactly once."""
    await load.finish()
    await harness.caught_up()
    await load.close_windows()
    await harness.caught_up(METRICS)
    assert not (wrong := await wrong_events(harness.postgres, load, harness.tenant_id)), "\n".join(wrong[:10])
    assert load.sent, "nothing was sent"
    assert [] == harness.workers[0].exits, "the aggregator was restarted"


@both
async def test_starts_from_the_stored_offsets(harness: Harness, load: EventLoad) -> None:
    """A worker that is told to stop commits what it has; one that comes later goes on there."""
    await load.rounds(10)
    first = await harness.worker()
    await harness.owned_by(first)
    async with under_load(load):
        await harness.caught_up()
        first.signal(signal.SIGTERM)
        code = await first.ended(TERMINATE_S)
    await harness.worker()

    await exact(harness, load)
    assert dict.fromkeys(range(PARTITIONS), 2) == await harness.epochs()
    assert (0, False) == (code, "commit failed" in first.log.read_text())


@aiokafka
async def test_worker_joins_and_leaves(harness: Harness, load: EventLoad) -> None:
    """Partitions move to a worker that joins and back from one that leaves."""
    first = await harness.worker()
    await harness.owned_by(first)
    async with under_load(load):
        second = await harness.worker()
        await harness.owned_by(first, second)
        first.signal(signal.SIGTERM)
        await harness.owned_by(second)

    await exact(harness, load)
    assert 0 == await first.ended(TERMINATE_S)


@pytest.mark.parametrize(("runtime", "kills"), [("faust", 2), ("aiokafka", 4)])
async def test_workers_are_killed_around_their_commits(harness: Harness, load: EventLoad, kills: int) -> None:
    """At any moment, and when points are published that are not committed: they are published again, and count once."""
    chance = random.Random(SEED)
    worker = await harness.worker()
    await harness.owned_by(worker)
    for number in range(kills):
        await load.rounds(chance.randrange(2, 25), pause_s=0.02)
        published = number % 2 == 0
        async with _locked(harness) if published else contextlib.nullcontext():
            if published:
                await load.rounds(5)
                await _blocked(harness)
            worker.signal(signal.SIGKILL)
        worker = await harness.worker()
        async with under_load(load):
            await harness.owned_by(worker)

    await exact(harness, load)


@faust
async def test_worker_freezes_and_wakes(harness: Harness, load: EventLoad) -> None:
    """A worker that was frozen for longer than its session cannot commit, and becomes a member again."""
    first, second = await harness.worker(), await harness.worker()
    await harness.owned_by(first, second)
    async with under_load(load):
        await harness.caught_up()
        first.signal(signal.SIGSTOP)
        await harness.owned_by(second)
        first.signal(signal.SIGCONT)
        await harness.owned_by(first, second)

    await exact(harness, load)


@aiokafka
async def test_worker_freezes_between_publishing_and_committing(harness: Harness, load: EventLoad) -> None:
    """Its points are in the log under offsets that its successor uses again: the aggregator takes one of each."""
    first = await harness.worker()
    await harness.owned_by(first)
    async with _locked(harness):
        await load.rounds(10)
        await _blocked(harness)
        first.signal(signal.SIGSTOP)
    second = await harness.worker()
    await load.rounds(10)
    await harness.owned_by(second)
    first.signal(signal.SIGCONT)
    async with under_load(load):
        await harness.owned_by(first, second)

    await exact(harness, load)


@aiokafka
async def test_commit_of_the_loser_is_refused(harness: Harness, load: EventLoad) -> None:
    """A commit that waits while another owner takes the epoch writes nothing; its points are there already."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    async with _locked(harness) as conn:
        await load.rounds(10)
        await _blocked(harness)
        await conn.execute(
            "UPDATE partition_state SET epoch = epoch + 1, owner = 'x-0' WHERE topic = $1", harness.topic
        )

    await exact(harness, load)
    assert EXIT_GIVEN_UP in worker.exits
    assert '"event":"fenced"' in worker.log.read_text()


@aiokafka
async def test_broken_records_become_one_dead_letter_each(harness: Harness, load: EventLoad) -> None:
    """Their neighbours are counted once, and each is kept once, even when the worker is killed in between."""
    await load.rounds(5)
    await load.spoil(b"\xc1 not a batch")
    await load.spoil(random.Random(SEED).randbytes(MAX_MESSAGE_BYTES - 200))
    await load.spoil(b'{"v":1,"received_at_ms":"noon","events":[]}')
    await load.rounds(5)
    first = await harness.worker()
    await harness.caught_up()
    await load.spoil(b"")
    first.signal(signal.SIGKILL)
    await load.rounds(5)
    await harness.worker()

    await exact(harness, load)
    assert load.poison == set(dead_letters := await harness.dead_letters())
    assert len(load.poison) == len(dead_letters)
    assert await harness.published_dead_letters() >= len(dead_letters)


@faust
async def test_postgres_is_killed_and_comes_back(harness: Harness, load: EventLoad, stack: Stack) -> None:
    """Workers outlive it, and what was under way is committed once."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    async with under_load(load):
        await harness.caught_up()
        for _ in range(2):
            stack.servers["postgres"].kill()
            await load.rounds(20, pause_s=0.05)
            stack.servers["postgres"].start()
            await harness.caught_up()

    await exact(harness, load)
    assert [] == worker.exits


@contextlib.asynccontextmanager
async def _locked(harness: Harness) -> AsyncIterator[asyncpg.Connection]:
    """No commit of the service under test gets through as long as the block."""
    conn = await asyncpg.connect(harness.postgres)
    try:
        async with conn.transaction():
            await conn.execute("SELECT FROM partition_state WHERE topic = $1 FOR UPDATE", harness.topic)
            yield conn
    finally:
        await conn.close()


async def _blocked(harness: Harness) -> None:
    """Wait until a session waits for a lock: its points have been published."""

    async def fact() -> bool:
        return bool(await harness.sql("SELECT FROM pg_locks WHERE NOT granted"))

    await until(fact, "a session waits for a lock")
