"""The pump's contract, on both runtimes and real servers: whatever happens, every point counts exactly once."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.ledger.entries import NOBODY
from shared.runtime.lifecycle import EXIT_GIVEN_UP
from shared.wire.topics import MAX_MESSAGE_BYTES
from tests.support.load.points import PointLoad
from tests.support.processes.harness import PARTITIONS, Harness, under_load
from tests.support.wait import until

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
TERMINATE_S = 15.0
"""A worker that is told to stop is gone by then."""

LARGEST = MAX_MESSAGE_BYTES - 200
"""A record that the topic of points just takes, its frame included."""

OUTAGE_S = 60.0
"""How long Postgres is away."""


def build(stack: Stack, folder: Path, runtime: str) -> Harness:
    """A harness under a prefix of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    return Harness(stack.kafka, stack.postgres, stack.redis, runtime, f"t{tenant_id}.", tenant_id, folder)


@pytest_asyncio.fixture(params=["aiokafka", "faust"])
async def harness(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own on each runtime."""
    made = build(stack, tmp_path, request.param)
    await made.create()
    yield made
    await made.remove()


@pytest_asyncio.fixture
async def load(harness: Harness) -> AsyncIterator[PointLoad]:
    """A load into the harness."""
    async with harness.load(SEED) as made:
        yield made


async def test_starts_from_the_stored_offsets(harness: Harness, load: PointLoad) -> None:
    """A worker that comes later goes on where the checkpoint stands."""
    await load.rounds(10)
    first = await harness.worker()
    await harness.caught_up()
    first.signal(signal.SIGTERM)
    await first.ended(TERMINATE_S)
    await load.rounds(10)
    await harness.worker()

    await harness.exact(load)
    assert dict.fromkeys(range(PARTITIONS), 2) == await harness.epochs()


async def test_workers_join_and_leave(harness: Harness, load: PointLoad) -> None:
    """From one to two to three and back to one: partitions move to those who join and from those who leave."""
    first = await harness.worker()
    await harness.owned_by(first)
    async with under_load(load):
        second = await harness.worker()
        await harness.owned_by(first, second)
        third = await harness.worker()
        await harness.owned_by(first, second, third)
        for leaving in (first, second):
            leaving.signal(signal.SIGTERM)
        await harness.owned_by(third)

    await harness.exact(load)
    assert [0, 0] == [await leaving.ended(TERMINATE_S) for leaving in (first, second)]


async def test_worker_is_killed(harness: Harness, load: PointLoad) -> None:
    """What a killed worker had folded but not committed is folded again by its successor."""
    first, second = await harness.worker(), await harness.worker()
    await harness.owned_by(first, second)
    async with under_load(load):
        await harness.caught_up()
        first.signal(signal.SIGKILL)
        await harness.owned_by(second)

    await harness.exact(load)


async def test_worker_freezes_and_wakes(harness: Harness, load: PointLoad) -> None:
    """A worker that was frozen for longer than its session cannot commit, and becomes a member again."""
    first, second = await harness.worker(), await harness.worker()
    await harness.owned_by(first, second)
    async with under_load(load):
        await harness.caught_up()
        first.signal(signal.SIGSTOP)
        await harness.owned_by(second)
        first.signal(signal.SIGCONT)
        await harness.owned_by(first, second)

    await harness.exact(load)


async def test_commit_of_the_loser_is_refused(harness: Harness, load: PointLoad) -> None:
    """A commit that waits while another owner takes the epoch writes nothing, and the worker acquires anew."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    conn = await asyncpg.connect(harness.postgres)
    async with conn.transaction():
        await conn.execute("SELECT FROM partition_state WHERE topic = $1 FOR UPDATE", harness.topic)
        await load.rounds(10)
        await load.finish()
        await _blocked(conn)
        await conn.execute(
            "UPDATE partition_state SET epoch = epoch + 1, owner = 'x-0' WHERE topic = $1", harness.topic
        )
    await conn.close()

    await harness.exact(load)
    assert EXIT_GIVEN_UP in worker.exits
    assert '"event":"fenced"' in worker.log.read_text()


async def test_acquisition_that_takes_too_long_is_tried_again(harness: Harness, load: PointLoad) -> None:
    """A worker that cannot take over in time says so, stays in the group, and takes over later."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    worker.signal(signal.SIGTERM)
    await worker.ended(TERMINATE_S)
    async with slow(harness):
        late = await harness.worker()

        async def waits() -> bool:
            return "partitions not acquired yet" in late.log.read_text()

        await until(waits, "the worker waits for Postgres")
    await load.rounds(10)

    await harness.exact(load)
    assert [] == late.exits


async def test_undecodable_message_becomes_one_dead_letter(harness: Harness, load: PointLoad) -> None:
    """Its neighbours are counted once, and it is kept once, even when the worker is killed in between."""
    await load.rounds(5)
    await load.spoil(b"\xc1 not a batch")
    await load.spoil(random.Random(SEED).randbytes(LARGEST))
    await load.rounds(5)
    first = await harness.worker()
    await harness.caught_up()
    await load.spoil(b"")
    first.signal(signal.SIGKILL)
    await load.rounds(5)
    await harness.worker()

    await harness.exact(load)
    assert load.poison == set(dead_letters := await harness.dead_letters())
    assert len(load.poison) == len(dead_letters)
    assert await harness.published_dead_letters() >= len(dead_letters)


async def test_records_that_retention_took_are_reported(harness: Harness, load: PointLoad) -> None:
    """What is gone is said once for each partition, as lost in the ledger, and what is left is counted."""
    await load.rounds(5)
    await harness.delete_records(before_offset=3)
    await harness.worker()
    await load.finish()
    await harness.caught_up()
    codes = await harness.sql('SELECT code, "offset" FROM dead_letter WHERE topic = $1', harness.topic)
    lost = await harness.sql(
        "SELECT tenant_id, sum(count)::integer FROM ledger_1m WHERE topic = $1 AND outcome = 'lost' GROUP BY 1",
        harness.topic,
    )
    counted = await harness.sql(
        "SELECT sum(count) AS points FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1",
        harness.tenant_id,
    )

    assert [("retention_gap", 0)] * PARTITIONS == [tuple(row) for row in codes]
    assert [(NOBODY, 3 * PARTITIONS)] == [tuple(row) for row in lost]
    assert 0 < counted[0]["points"] < load.expected.total()


async def test_sigterm_drains(harness: Harness, load: PointLoad) -> None:
    """A worker that is told to stop commits what it has folded before it leaves."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    async with under_load(load):
        await harness.caught_up()
        worker.signal(signal.SIGTERM)
        code = await worker.ended(TERMINATE_S)
    before = await harness.epochs()
    await harness.worker()

    await harness.exact(load)
    assert (0, "commit failed" in worker.log.read_text()) == (code, False)
    assert before == {partition: epoch - 1 for partition, epoch in (await harness.epochs()).items()}


async def test_kafka_is_killed_and_comes_back(harness: Harness, load: PointLoad, stack: Stack) -> None:
    """Workers outlive the broker: they are neither restarted nor do they lose their place in the log."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    async with under_load(load):
        await harness.caught_up()
        stack.servers["kafka"].kill()
        stack.servers["kafka"].start()
        stack.servers["kafka"].wait_ready()
        await harness.caught_up()

    await harness.exact(load)
    assert [] == worker.exits


@pytest.mark.timeout(900)
async def test_postgres_is_down_for_a_minute(stack: Stack, tmp_path: Path) -> None:
    """Workers of both runtimes hold on while Postgres is away and under load, and catch up afterwards."""
    harnesses = [build(stack, tmp_path / runtime, runtime) for runtime in ("aiokafka", "faust")]
    down = asyncio.Barrier(len(harnesses) + 1)
    up = asyncio.Barrier(len(harnesses) + 1)
    try:
        async with asyncio.TaskGroup() as group:
            for made in harnesses:
                group.create_task(_outlives_postgres(made, down, up))
            await down.wait()
            stack.servers["postgres"].kill()
            await asyncio.sleep(OUTAGE_S)
            stack.servers["postgres"].start()
            await up.wait()
    finally:
        await asyncio.gather(*(made.remove() for made in harnesses))


async def _outlives_postgres(harness: Harness, down: asyncio.Barrier, up: asyncio.Barrier) -> None:
    harness.folder.mkdir()
    await harness.create()
    worker = await harness.worker()
    await harness.owned_by(worker)
    async with harness.load(SEED) as load:
        async with under_load(load):
            await harness.caught_up()
            await down.wait()
            await up.wait()
        await harness.exact(load)
    assert [] == worker.exits


@asynccontextmanager
async def slow(harness: Harness) -> AsyncIterator[None]:
    """Within the block, Postgres takes two seconds for each checkpoint of this harness."""
    name = f"slow_{harness.tenant_id}"
    body = "BEGIN PERFORM pg_sleep(2); RETURN NEW; END"
    await harness.sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS '{body}'")
    await harness.sql(
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON partition_state FOR EACH ROW "
        f"WHEN (NEW.topic = '{harness.topic}') EXECUTE FUNCTION {name}()"
    )
    yield
    await harness.sql(f"DROP FUNCTION {name} CASCADE")


async def _blocked(conn: asyncpg.Connection) -> None:
    """Wait until another session waits for a lock."""

    async def fact() -> bool:
        return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await until(fact, "a session waits for a lock")
