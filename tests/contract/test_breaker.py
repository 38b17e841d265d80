"""The breaker on both runtimes and real servers: one partition stops, the others go on, and nothing is lost."""

import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.dead_letters import resume
from deploy.local.stack import Stack
from shared.stream.breaker import MAX_ROW
from tests.support.processes.harness import PARTITIONS, Harness
from tests.support.wait import until

STOPPED = 2
"""The partition that gets bad messages."""

BAD = MAX_ROW + 40
"""More than stop it, less than stop it again."""


@pytest_asyncio.fixture(params=["aiokafka", "faust"])
async def harness(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own on each runtime."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    prefix = f"t{tenant_id}."
    made = Harness(stack.kafka, stack.postgres, stack.redis, request.param, prefix, tenant_id, tmp_path)
    await made.create()
    yield made
    await made.remove()


async def test_one_partition_stops_until_it_is_resumed(harness: Harness) -> None:
    """A restart in between changes nothing; in the end all points have counted once, all else is one letter each."""
    async with harness.load(1) as load:
        await load.rounds(5)
        for number in range(BAD):
            await load.spoil(b"bad %d" % number, [STOPPED])
        await load.rounds(5)
        first = await harness.worker()
        stopped_at = await stopped(harness)
        await others_caught_up(harness)
        first.signal(signal.SIGKILL)
        second = await harness.worker()
        await harness.owned_by(second)
        await load.rounds(5)
        await others_caught_up(harness)
        at = await next_offsets(harness)
        said = [worker.log.read_text().count('"event":"partition stopped"') for worker in (first, second)]

        await resume(harness.postgres, harness.topic, STOPPED, 0)
        await harness.caught_up()  # before anything new comes, which would show the gap
        await harness.exact(load)

    assert (stopped_at, [1, 1]) == (at[STOPPED], said)
    assert load.poison == set(dead_letters := await harness.dead_letters())
    assert BAD == len(dead_letters)


async def stopped(harness: Harness) -> int:
    """Wait until the partition is told to stand still; where it does."""
    query = "SELECT stopped_at FROM breaker WHERE topic = $1 AND partition = $2"

    async def is_stopped() -> bool:
        return bool(await harness.sql(query, harness.topic, STOPPED))

    await until(is_stopped, "the partition is stopped", 60)
    ((offset,),) = await harness.sql(query, harness.topic, STOPPED)
    return int(offset)


async def next_offsets(harness: Harness) -> dict[int, int]:
    """Where each partition stands."""
    rows = await harness.sql(
        "SELECT partition, next_offset FROM partition_state WHERE topic = $1", harness.topic
    )
    return {row["partition"]: row["next_offset"] for row in rows}


async def others_caught_up(harness: Harness) -> None:
    """Wait until all partitions but one stand where their logs end."""
    ends = await harness.ends()

    async def fact() -> bool:
        at = await next_offsets(harness)
        return all(at.get(p, -1) >= ends[p] for p in range(PARTITIONS) if p != STOPPED)

    await until(fact, "the others go on", 60)
