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
from tests.support.rig import PARTITIONS, Rig
from tests.support.wait import until

STOPPED = 2
"""The partition that gets bad messages."""

BAD = MAX_ROW + 40
"""More than stop it, less than stop it again."""


@pytest_asyncio.fixture(params=["aiokafka", "faust"])
async def rig(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Rig]:
    """A system of its own on each runtime."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    prefix = f"t{tenant_id}."
    made = Rig(stack.kafka, stack.postgres, stack.redis, request.param, prefix, tenant_id, tmp_path)
    await made.create()
    yield made
    await made.remove()


async def test_one_partition_stops_until_it_is_resumed(rig: Rig) -> None:
    """A restart in between changes nothing; in the end all points have counted once, all else is one letter each."""
    async with rig.load(1) as load:
        await load.rounds(5)
        for number in range(BAD):
            await load.spoil(b"bad %d" % number, [STOPPED])
        await load.rounds(5)
        first = await rig.worker()
        stopped_at = await stopped(rig)
        await others_caught_up(rig)
        first.signal(signal.SIGKILL)
        second = await rig.worker()
        await rig.owned_by(second)
        await load.rounds(5)
        await others_caught_up(rig)
        at = await places(rig)
        said = [worker.log.read_text().count('"event":"partition stopped"') for worker in (first, second)]

        await resume(rig.postgres, rig.topic, STOPPED, 0)
        await rig.caught_up()  # before anything new comes, which would show the gap
        await rig.exact(load)

    assert (stopped_at, [1, 1]) == (at[STOPPED], said)
    assert load.poison == set(letters := await rig.dead_letters())
    assert BAD == len(letters)


async def stopped(rig: Rig) -> int:
    """Wait until the partition is told to stand still; where it does."""
    query = "SELECT stopped_at FROM breaker WHERE topic = $1 AND partition = $2"

    async def told() -> bool:
        return bool(await rig.sql(query, rig.topic, STOPPED))

    await until(told, "the partition is stopped", 60)
    ((offset,),) = await rig.sql(query, rig.topic, STOPPED)
    return int(offset)


async def places(rig: Rig) -> dict[int, int]:
    """Where each partition stands."""
    rows = await rig.sql("SELECT partition, next_offset FROM partition_state WHERE topic = $1", rig.topic)
    return {row["partition"]: row["next_offset"] for row in rows}


async def others_caught_up(rig: Rig) -> None:
    """Wait until all partitions but one stand where their logs end."""
    ends = await rig.ends()

    async def fact() -> bool:
        at = await places(rig)
        return all(at.get(p, -1) >= ends[p] for p in range(PARTITIONS) if p != STOPPED)

    await until(fact, "the others go on", 60)
