"""recovery: the time until a worker that starts after a crash is as current as the one that crashed.

Seconds, under 50,000 points a second in messages of 1,000. Lag is the age of the oldest message that is in no
checkpoint yet. A worker has recovered when it lags no more than the other did in its last ten seconds. The time begins
at the start of the process, so it includes the wait for the session of the dead one.
"""

import asyncio
import math
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiokafka
import asyncpg
import numpy as np

from bench import preload, stand
from bench.figure import Invalid, Line, rounded, say
from deploy.local.stack import Stack
from shared.model.point import Points
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

SERIES, POINTS_A_MESSAGE, POINTS_PER_S = 10_000, 1_000, 50_000
CRASHES = 3
STEADY_S = 20.0
"""Between two crashes; the second half of it shows the usual lag."""

LOOK_S, LIMIT_S, GOAL_S = 0.05, 60.0, 10.0


class TopicLoad:
    """Appends messages at a steady rate, and knows when each was."""

    def __init__(self, producer: aiokafka.AIOKafkaProducer, topic: str, tenant_id: int) -> None:
        self._producer, self._topic = producer, topic
        self._owned = preload.by_partition(tenant_id, SERIES)
        self._chance = np.random.default_rng(7)
        self.sent_s: list[list[float]] = [[] for _ in self._owned]
        """By partition and offset."""

    async def run(self) -> None:
        """Until cancelled."""
        begin_s, number = monotonic_s(), 0
        while True:
            await asyncio.sleep(max(0.0, begin_s + number * POINTS_A_MESSAGE / POINTS_PER_S - monotonic_s()))
            partition = number % DEFAULT_PARTITIONS
            await self._producer.send(self._topic, self._message(partition), partition=partition)
            self.sent_s[partition].append(monotonic_s())
            number += 1

    def _message(self, partition: int) -> bytes:
        series, now = self._owned[partition], now_ms()
        slots = self._chance.integers(0, len(series), POINTS_A_MESSAGE)
        spent = now - self._chance.integers(0, 500, POINTS_A_MESSAGE)
        points = Points(slots, spent, self._chance.lognormal(3, 1, POINTS_A_MESSAGE))
        return preload.packed(len(self.sent_s[partition]) + 1, series, points, now)

    async def lag_s(self, connection: "asyncpg.Connection[asyncpg.Record]", pid: int) -> float:
        """Age of the oldest message that is in no checkpoint; infinite while a partition is not this process's."""
        rows = await connection.fetch(
            "SELECT partition, owner, next_offset FROM partition_state WHERE topic = $1", self._topic
        )
        if len(rows) < DEFAULT_PARTITIONS or not all(row["owner"].endswith(f"-{pid}") for row in rows):
            return math.inf
        at = {row["partition"]: row["next_offset"] for row in rows}
        waiting = [sent[at[p] :][:1] for p, sent in enumerate(self.sent_s)]
        return max((monotonic_s() - sent[0] for sent in waiting if sent), default=0.0)


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The line; its value is the longest of three recoveries."""
    async with stand.room(stack, folder) as room, _loaded(stack, room) as load:
        connection = await asyncpg.connect(room.postgres)
        try:
            found = await _crashes(load, connection, room, folder)
        finally:
            await connection.close()
    taken, usual = [one for one, _ in found], [lag for _, lag in found]
    conditions = {
        "naive_means": "none: a Faust table in memory has lost what it had counted",
        "median": round(statistics.median(taken), 2), "usual_lag_s": rounded(usual),
        "points_per_s": POINTS_PER_S, "series": SERIES, "crashes": CRASHES,
    }  # fmt: skip
    value = round(max(taken), 2)
    goal = f"value <= {GOAL_S:g}"
    return [Line("recovery", value, "s", None, None, goal, value <= GOAL_S, rounded(taken), conditions)]


@asynccontextmanager
async def _loaded(stack: Stack, room: stand.Room) -> AsyncIterator[TopicLoad]:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=stack.kafka,
        acks="all",
        compression_type="zstd",
        linger_ms=5,
        max_request_size=8 << 20,
    )
    await producer.start()
    load = TopicLoad(producer, room.prefix + METRICS.name, room.tenant_id)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(STEADY_S / 10)
    try:
        yield load
    finally:
        running.cancel()
        await producer.stop()


async def _crashes(
    load: TopicLoad, connection: "asyncpg.Connection[asyncpg.Record]", room: stand.Room, folder: Path
) -> list[tuple[float, float]]:
    """Of each crash: how long the next worker took, and the largest lag before it."""
    found: list[tuple[float, float]] = []
    usual_s = GOAL_S
    for number in range(CRASHES + 1):
        with stand.started(["services.aggregator"], folder, room.environ) as worker:
            begin_s = monotonic_s()
            while (lag_s := await load.lag_s(connection, worker.pid)) > usual_s:
                worker.cpu_s()
                if monotonic_s() > begin_s + LIMIT_S:
                    raise Invalid(f"still {lag_s:.1f} s behind after {LIMIT_S:g} s")
                await asyncio.sleep(LOOK_S)
            taken_s = monotonic_s() - begin_s
            if number:
                found.append((taken_s, usual_s))
                say(
                    f"  current again after {taken_s:.1f} s: lag {lag_s:.1f} s, before the crash {usual_s:.1f} s"
                )
            usual_s = await _usual_lag_s(load, connection, worker.pid)
            worker.kill()
    return found


async def _usual_lag_s(load: TopicLoad, connection: "asyncpg.Connection[asyncpg.Record]", pid: int) -> float:
    """The largest lag in the second half of a while."""
    begin_s, largest_s = monotonic_s(), 0.0
    while (spent_s := monotonic_s() - begin_s) < STEADY_S:
        if spent_s > STEADY_S / 2:
            largest_s = max(largest_s, await load.lag_s(connection, pid))
        await asyncio.sleep(LOOK_S)
    return largest_s
