"""A record that ends workers, on real servers: its partition stops within a minute, no other does."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.support.processes import poisoned
from tests.support.processes.harness import PARTITIONS, Harness, under_load
from tests.support.wait import until

pytestmark = pytest.mark.servers

RUNTIMES = ["aiokafka", "faust"] if os.environ.get("TIDEGAUGE_CRASHES") == "all" else ["aiokafka"]
"""Each takes about a minute: both as `make crashes` wants them."""

POISONED = 2
"""The partition that gets the record."""

TIDEGAUGE = str(Path(sys.executable).with_name("tidegauge"))


@pytest_asyncio.fixture(params=RUNTIMES)
async def harness(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    prefix = f"t{tenant_id}."
    made = Harness(stack.kafka, stack.postgres, stack.redis, request.param, prefix, tenant_id, tmp_path)
    await made.create()
    yield made
    await made.remove()
    await made.sql("DELETE FROM breaker WHERE topic = $1", made.topic)


async def test_a_record_that_ends_workers_stops_its_partition_alone_and_is_skipped(harness: Harness) -> None:
    """Three deaths, then all others are current; after `skip` everything counts but that record."""
    workers = [await harness.worker(poisoned.__name__) for _ in range(2)]
    async with harness.load(1) as load:
        async with under_load(load):
            await harness.owned_by(*workers)
            await load.spoil(poisoned.POISON, [POISONED])
            ((_, offset),) = load.poison
            # A minute, and what three shared processes take longer to start on a busy machine.
            await until(lambda: is_stopped(harness), "the partition is stopped", 120)
            await until(lambda: others_current(harness), "all others are current", 30)

        code, text = await typed(harness, "status")
        assert (1, "something is stopped: see above") == (code, text.splitlines()[-1])
        assert f"{harness.topic} {POISONED} at {offset}: the record at {offset} has ended 3 workers" in text
        code, text = await typed(harness, "partitions", "list", "--stopped")
        assert 0 == code
        assert f"{harness.topic} {POISONED} at {offset}: the record at {offset} has ended 3 workers" in text
        assert f"tidegauge partitions skip {harness.topic} {POISONED}" in text
        done = f"{harness.topic} {POISONED} goes on; the record at {offset} becomes a dead letter\n"
        assert (0, done) == await typed(
            harness, "partitions", "skip", harness.topic, str(POISONED), str(offset)
        )
        await harness.exact(load)

    assert 3 == sum(len(worker.exits) for worker in workers)
    assert load.poison == set(await harness.dead_letters())
    code, text = await typed(harness, "partitions", "show", harness.topic, str(POISONED))
    assert (0, "it is not stopped") == (code, text.splitlines()[-1])
    code, text = await typed(harness, "status")
    assert (0, "nothing is stopped") == (code, text.splitlines()[-1])


async def is_stopped(harness: Harness) -> bool:
    """Whether an operator sees the partition stopped."""
    query = "SELECT 1 FROM breaker WHERE topic = $1 AND partition = $2 AND kind = 'deaths'"
    return bool(await harness.sql(query, harness.topic, POISONED))


async def others_current(harness: Harness) -> bool:
    """Whether all partitions but one stand where their logs ended a moment ago."""
    ends = await harness.ends()
    await asyncio.sleep(0)
    rows = await harness.sql(
        "SELECT partition, next_offset FROM partition_state WHERE topic = $1", harness.topic
    )
    at = {row["partition"]: row["next_offset"] for row in rows}
    behind = {p: ends[p] - at.get(p, 0) for p in range(PARTITIONS) if p != POISONED}
    return max(behind.values()) < 200


async def typed(harness: Harness, *words: str) -> tuple[int, str]:
    """Exit code and all that the command prints."""
    process = await asyncio.create_subprocess_exec(
        TIDEGAUGE, *words,
        env=harness.environ(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    text, _ = await process.communicate()
    return process.returncode or 0, text.decode()
