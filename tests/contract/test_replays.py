"""A replay does not matter: the same log gives the same rows, whoever reads it, however many, wherever they crash.

One log holds late, repeated, weighted and retracted points and running totals. Invariant: the tables of all tiers
are equal in every column, revisions included.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiokafka
import numpy as np
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from services.aggregator.app import GROUP
from shared.model.point import Points
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.runtime.failpoint import EXIT_CRASHED, VARIABLE
from shared.wire import envelope
from shared.wire.series import pack, partition_of, series_id
from tests.support.load.points import CLOCK_TENANT
from tests.support.processes.harness import PARTITIONS, Harness, Worker
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

MESSAGES = 60
"""Of each partition, each a while after the one before."""

STEP_MS = 30_000
BEGUN_MS = (MESSAGES + 70) * STEP_MS
"""So long ago the log began: its last point, with which every window closes, lies not ahead of the clock."""

BITE = 6
"""Messages of a partition that are put into the log at once when workers already wait for them."""

KINDS = ("gauge", "gauge", "cumulative", "histogram")
AGES_MS = (0, 700, 2_500, 25_000, 130_000, 1_200_000)
TABLES = ("rollup_10s", "rollup_1m", "rollup_15m")
STATES = ("partition_state", "open_window", "batch_id", "ledger_1m", "breaker")

CRASHES = ((2, "late_saved:2:exit"), (3, "published:1:exit"), (3, "committed:1:exit"), (1, "folded:50:exit"))
"""How many workers share the partitions, and where the first of them ends."""

Log = list[list[bytes]]
"""Messages by partition."""


@pytest_asyncio.fixture
async def harness(stack: Stack, tmp_path: Path) -> AsyncIterator[Harness]:
    """A system of its own."""
    tenant_id = random.SystemRandom().randrange(1 << 40)
    made = Harness(
        stack.kafka, stack.postgres, stack.redis, "aiokafka", f"t{tenant_id}.", tenant_id, tmp_path
    )
    await made.create()
    yield made
    await made.remove()


async def test_a_replay_from_the_start_gives_the_same_rows(harness: Harness) -> None:
    """Written bit by bit for two workers that share it, then read at once by one, its offsets set back."""
    expected = await shared(harness, written(harness.tenant_id), 2)
    await empty(harness)
    await set_back(harness)
    worker = await harness.worker()
    await harness.caught_up()
    await stopped(worker)

    assert expected == await rows(harness)
    assert all(expected.values())
    assert await revised(harness) > 0


async def test_workers_and_crashes_change_no_row(harness: Harness) -> None:
    """The same messages for one, two and three workers, the first of which ends at a named point."""
    log = written(harness.tenant_id)
    expected = await shared(harness, log, 1)
    for number, (workers, crash) in enumerate(CRASHES):
        await empty(harness)
        again = replace(
            harness, prefix=f"{number}.{harness.prefix}", folder=harness.folder / str(number), workers=[]
        )
        again.folder.mkdir()
        await again.create()
        try:
            assert expected == await shared(again, log, workers, crash), (workers, crash)
        finally:
            await again.remove()


def written(tenant_id: int) -> Log:
    """A log of the last hour; the point of another tenant at its end carries time forward.

    It is no tick: the time of a tick is that of its append, which is another for each topic.
    """
    chance = random.Random(tenant_id)
    first_ms = now_ms() - BEGUN_MS
    owned: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for number in range(12 * PARTITIONS):
        kind = KINDS[number % len(KINDS)]
        packed = pack(Series(tenant_id, "replayed", kind, "", (("i", str(number)),)))
        owned[partition_of(series_id(packed), PARTITIONS)].append(packed)
    last = _last(tenant_id, first_ms + (MESSAGES + 65) * STEP_MS)
    return [
        [*(_message(chance, seq, first_ms + seq * STEP_MS, series) for seq in range(MESSAGES)), last]
        for series in owned
    ]


def _last(tenant_id: int, at_ms: int) -> bytes:
    packed = pack(Series(tenant_id + CLOCK_TENANT, "clock", "gauge", "", ()))
    points = Points(np.zeros(1, np.uint16), np.array([at_ms]), np.ones(1))
    return envelope.encode(envelope.PointBatch("gateway", MESSAGES, at_ms, [packed], points, []))


def _message(chance: random.Random, seq: int, clock_ms: int, series: list[bytes]) -> bytes:
    random_ = np.random.default_rng(chance.randrange(1 << 32))
    count = 3 * len(series)
    slot = np.arange(count) % len(series)
    ts_ms = clock_ms - random_.choice(AGES_MS, count) - random_.integers(0, 300, count)
    # Values that are not dyadic: their sums tell in which order they were added.
    value, weight = random_.normal(5, 10, count), random_.choice([1.0, 1.0, 3.3, -1.0], count)
    histogram = np.array([b"histogram" in packed for packed in series])[slot]
    value[histogram] = random_.choice([0.5, 2.0], histogram.sum())
    weight = np.where(histogram, np.abs(weight) * (seq + 1), weight)
    points = Points(slot.astype(np.uint16), ts_ms.astype(np.int64), value, weight)
    return envelope.encode(envelope.PointBatch("gateway", seq, clock_ms, series, points, []))


async def shared(harness: Harness, log: Log, count: int, crash: str = "") -> dict[str, list[str]]:
    """The rows when so many workers wait for the log as it is written; the first may end on its way."""
    first = Worker(harness.service, harness.environ() | {VARIABLE: crash}, harness.folder / "first.log")
    harness.workers.append(await first.start())
    others = [await harness.worker() for _ in range(count - 1)]
    await harness.owned_by(first, *others)
    await _write(harness, log)
    if crash:
        await until(first.has_ended, f"a worker ends at {crash}")
        assert [EXIT_CRASHED] == first.exits
        others.append(await harness.worker())
    await harness.caught_up()
    found = await rows(harness)
    await stopped(*others, *([] if crash else [first]))
    return found


async def _write(harness: Harness, log: Log) -> None:
    """Bit by bit, with a message repeated now and then, as by a producer that did not hear of it."""
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=harness.kafka) as producer:
        for first in range(0, MESSAGES + 1, BITE):
            for partition, messages in enumerate(log):
                for value in [*messages[first : first + BITE], messages[first]]:
                    await producer.send(harness.topic, value, partition=partition)
            await producer.flush()
            await asyncio.sleep(0.2)


async def stopped(*workers: Worker) -> None:
    """They have left their group, or ended before they joined it."""
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert {0, -signal.SIGTERM} >= {await worker.ended(15.0) for worker in workers}


async def set_back(harness: Harness) -> None:
    """The offsets of the group stand at the start, as a tool of Kafka's would set them."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=harness.kafka, group_id=harness.prefix + GROUP, enable_auto_commit=False
    )
    await consumer.start()
    try:
        parts = [aiokafka.TopicPartition(harness.topic, number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.commit(dict.fromkeys(parts, 0))
    finally:
        await consumer.stop()


async def rows(harness: Harness) -> dict[str, list[str]]:
    """All rows by table, each with all its columns as text."""
    query = (
        "SELECT one::text AS row FROM {} one JOIN series USING (series_id) WHERE tenant_id = $1 "
        "ORDER BY window_start, series_id"
    )
    return {
        table: [record["row"] for record in await harness.sql(query.format(table), harness.tenant_id)]
        for table in TABLES
    }


async def revised(harness: Harness) -> int:
    """Rows of the coarsest tier that were revised more than once."""
    query = "SELECT FROM rollup_15m JOIN series USING (series_id) WHERE tenant_id = $1 AND revision > 1"
    return len(await harness.sql(query, harness.tenant_id))


async def empty(harness: Harness) -> None:
    """As if nothing had ever been read."""
    mine = "series_id IN (SELECT series_id FROM series WHERE tenant_id = $1)"
    for table in TABLES:
        await harness.sql(f"DELETE FROM {table} WHERE {mine}", harness.tenant_id)  # a name of this module
    await harness.sql("DELETE FROM series WHERE tenant_id = $1", harness.tenant_id)
    for table in STATES:
        await harness.sql(f"DELETE FROM {table} WHERE topic = $1", harness.topic)  # a name of this module
