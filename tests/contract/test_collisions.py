"""Two real series with one id, on a real worker: it goes on, and both count.

The pair was found by trying three thousand million series, minutes of one core: that is all it takes where ids have no
key. Source: `faults.md`, "two series with one id".
"""

import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiokafka
import numpy as np
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.model.point import Points
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.wire import envelope
from shared.wire.series import keyed, pack, partition_of, series_id
from tests.support.processes.harness import PARTITIONS, Harness
from tests.support.wait import until

TENANT_ID = 1 << 41

PAIR = [
    pack(Series(TENANT_ID, "collide", "delta", "", (("n", found),)))
    for found in ("624fa52d8f7220be", "38d35921fe3dadba")
]

NEIGHBOUR = pack(Series(TENANT_ID, "neighbour", "delta", "", ()))

pytestmark = [pytest.mark.servers]


@pytest_asyncio.fixture
async def harness(stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own."""
    prefix = f"c{random.SystemRandom().randrange(1 << 40)}."
    made = Harness(stack.kafka, stack.postgres, stack.redis, "aiokafka", prefix, TENANT_ID, tmp_path)
    await made.create()
    yield made
    await made.remove()


def test_series_that_collide_without_a_key_do_not_with_one() -> None:
    """Whoever looks for a pair does not know the key."""
    first, second = PAIR

    assert (series_id(first), True) == (series_id(second), first != second)
    assert keyed(b"k" * 32)(first) != keyed(b"k" * 32)(second)


async def test_no_worker_ends_when_two_series_have_one_id(harness: Harness) -> None:
    """The sums of the metric are whole, before and after a restart; the second is named, and its rows overflow."""
    worker = await harness.worker()
    await harness.owned_by(worker)
    start_ms = (
        now_ms() // 10_000 * 10_000 - 60_000
    )  # a tick, whose time is that of its append, closes all of it
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=harness.kafka, acks="all") as producer:

        async def feed(seq: int, at_ms: int, *values: float) -> None:
            """A point of each series, or a tick."""
            series = [*PAIR, NEIGHBOUR] if values else []
            slot, ts = np.arange(len(values), dtype=np.uint16), np.full(len(values), start_ms + at_ms)
            points = Points(slot, ts, np.array(values))
            batch = envelope.PointBatch("gateway", seq, start_ms + at_ms, series, points, [])
            partition = partition_of(series_id(PAIR[0]), PARTITIONS)
            await producer.send_and_wait(harness.topic, envelope.encode(batch), partition=partition)

        await feed(1, 1_000, 1.0, 2.0, 4.0)
        await feed(2, 15_000)
        await until(lambda: sums(harness, {"collide": 3.0, "neighbour": 4.0}), "the first window is there")
        worker.signal(signal.SIGKILL)
        await worker.ended(5)
        successor = await harness.worker()
        await feed(3, 16_000, 8.0, 16.0, 32.0)
        await feed(4, 17_000, 64.0, 128.0, 256.0)
        await feed(5, 31_000)
        await until(lambda: sums(harness, {"collide": 219.0, "neighbour": 292.0}), "all of it is there")

    found = await harness.sql(
        "SELECT s.labels->>'overflow' AS overflow, sum(sum)::integer AS sum "
        "FROM rollup_10s JOIN series s USING (series_id) WHERE tenant_id = $1 AND metric = 'collide' GROUP BY 1",
        TENANT_ID,
    )
    named = await harness.sql("SELECT series FROM series_collision WHERE series = ANY($1)", PAIR)
    assert {None: 73, "true": 146} == {row["overflow"]: row["sum"] for row in found}
    assert ([PAIR[1]], []) == ([row["series"] for row in named], successor.exits)


async def sums(harness: Harness, expected: dict[str, float]) -> bool:
    """Whether the windows of 10 s sum up to this, by metric."""
    rows = await harness.sql(
        "SELECT metric, sum(sum) AS sum FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1 GROUP BY 1",
        harness.tenant_id,
    )
    return {row["metric"]: row["sum"] for row in rows} == expected
