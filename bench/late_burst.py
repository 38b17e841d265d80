"""late_burst: the memory and CPU that the aggregator uses for a million points that come two hours late.

MiB and seconds. Points lie at random in ten minutes of a thousand series; a first burst makes the rows, a second, ten
times as large, revises them. Each point must count in all tiers.
"""

import asyncio
from pathlib import Path

import asyncpg
import numpy as np

from bench import log, preload, stand
from bench.aggregator import TABLES
from bench.figure import Invalid, Line, say
from deploy.local.stack import Stack
from shared.model.point import Points
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire import envelope
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

SERIES, WINDOWS, POINTS_A_MESSAGE = 1_000, 60, 1_000
LATE_MS = 2 * 3600 * 1000
FIRST, SECOND = 100_000, 1_000_000
SAMPLE_S, LIMIT_S = 0.05, 300.0
LIMIT_MIB = 256.0
"""What the worker may have, itself included."""


class Late:
    """Appends messages of late points to every partition."""

    def __init__(self, kafka: str, topic: str, tenant_id: int) -> None:
        self._kafka, self._topic = kafka, topic
        self._owned = preload.by_partition(tenant_id, SERIES)
        self._seq = 0
        self._chance = np.random.default_rng(5)
        self._first_ms = start_of(now_ms(), TIERS_MS[-1]) - LATE_MS

    async def bring_to_now(self) -> None:
        """A tick for each partition: from here on the points are late."""
        self._seq += 1
        tick = envelope.tick("bench", self._seq, now_ms())
        await log.append(self._kafka, self._topic, [(at, tick) for at in range(DEFAULT_PARTITIONS)])

    async def send(self, points: int) -> int:
        """At least so many points, shared out as the series are; how many they are."""
        messages = [
            (partition, self._message(series))
            for partition, series in enumerate(self._owned)
            for _ in range(-(-points * len(series) // (SERIES * POINTS_A_MESSAGE)))
        ]
        await log.append(self._kafka, self._topic, messages)
        return len(messages) * POINTS_A_MESSAGE

    def _message(self, series: list[bytes]) -> bytes:
        self._seq += 1
        slots = self._chance.integers(0, len(series), POINTS_A_MESSAGE)
        spent = self._first_ms + self._chance.integers(0, WINDOWS * BASE_MS, POINTS_A_MESSAGE)
        return preload.packed(self._seq, series, Points(slots, spent, np.ones(POINTS_A_MESSAGE)), now_ms())


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line; its value is the largest memory of the worker in the second burst."""
    async with stand.room(stack, folder) as room:
        topic = room.prefix + METRICS.name
        late = Late(stack.kafka, topic, room.tenant_id)
        connection = await asyncpg.connect(room.postgres)
        try:
            with stand.started(["services.aggregator"], folder, room.environ) as process:
                await late.bring_to_now()
                sent = await late.send(FIRST)
                small, *_ = await _absorbed(process, connection, topic, stack.kafka)
                begin_cpu_s, begin_s = process.cpu_s(), monotonic_s()
                sent += await late.send(SECOND)
                large, cpu_s, end_s = await _absorbed(process, connection, topic, stack.kafka)
            revised = await _verified(connection, sent)
        finally:
            await connection.close()
    rate = SECOND / (cpu_s - begin_cpu_s)
    conditions = {
        "naive_means": "none: the bound is absolute", "first_mib": round(small, 1), "points": SECOND,
        "points_per_cpu_s": round(rate), "points_per_s": round(SECOND / (end_s - begin_s)),
        "rows": revised, "series": SERIES, "late_s": LATE_MS // 1000,
    }  # fmt: skip
    goal = f"value <= {LIMIT_MIB:g}"
    return [
        Line(
            "late_burst",
            round(large, 1),
            "MiB",
            None,
            None,
            goal,
            large <= LIMIT_MIB,
            None,
            conditions,
        )
    ]


async def _absorbed(
    process: stand.Process, connection: asyncpg.Connection, topic: str, kafka: str
) -> tuple[float, float, float]:
    """Largest memory in MiB until all in the log is committed; CPU seconds of the process and the clock then."""
    ends = await log.ends(kafka, topic, DEFAULT_PARTITIONS)
    largest, limit_s = 0.0, monotonic_s() + LIMIT_S
    while monotonic_s() < limit_s:
        largest = max(largest, process.resident_bytes() / 2**20)
        rows = await connection.fetch(
            "SELECT partition, next_offset FROM partition_state WHERE topic = $1", topic
        )
        if {row["partition"]: row["next_offset"] for row in rows} == ends:
            return largest, process.cpu_s(), monotonic_s()
        await asyncio.sleep(SAMPLE_S)
    raise Invalid(f"the burst was not committed within {LIMIT_S:g} s")


async def _verified(connection: asyncpg.Connection, sent: int) -> dict[str, int]:
    """Rows of each tier; every one holds all points, and says that they were late."""
    rows = {}
    for table in TABLES:
        found = await connection.fetchrow(
            "SELECT count(*) AS rows, sum(count) AS points, sum(late_count) AS late, max(revision) AS most "
            f"FROM {table}"
        )
        say(f"  {table}: {found['rows']:,} rows, revised up to {found['most']} times")
        if (found["points"], found["late"]) != (sent, sent):
            raise Invalid(f"sent {sent} late points; in {table}: {dict(found)}")
        rows[table] = found["rows"]
    return rows
