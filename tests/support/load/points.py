"""A load whose result proves itself: the k-th point of a series and window has the value 4^k.

So a window's sum, read in base 4, shows each point lost (0), single (1) or doubled (2). Event time begins an hour ago
and runs faster than the clock. Each point that Kafka acknowledged is expected in the table exactly once.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Self

import aiokafka
import asyncpg
import numpy as np

from shared.model.point import Points
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.wire import envelope
from shared.wire.series import pack, partition_of, series_id
from shared.wire.topics import MAX_MESSAGE_BYTES

MAX_POINTS = 26
"""Points of one series and window: 4^26 - 1 is the largest sum that a float64 holds exactly."""

STEP_MS = 400
"""Event time between two rounds."""

BEFORE_MS = 3600 * 1000
"""How long ago event time begins: it runs faster than the clock, and moves a watermark up to the append time alone."""

CLOCK_TENANT = 1 << 41
"""Added to the number of the tenant, that of the points which only carry time forward."""

SERIES = 60
WINDOW_MS = 10_000


class PointLoad:
    """Publishes rounds of messages, one to each partition, and knows what must come of them."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, tenant_id: int, seed: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._random = random.Random(seed)
        self.encode: Callable[[envelope.PointBatch, int], bytes] = lambda batch, _: envelope.encode(batch)
        """The bytes of a message for a partition."""
        self._producer_id = f"load-{tenant_id}"
        self._seq = 0
        self._clock_ms = now_ms() - BEFORE_MS
        self._step_ms = STEP_MS
        self.expected: Counter[tuple[int, int]] = Counter()
        """(series id, window start) -> number of points."""
        self.poison: set[tuple[int, int]] = set()
        """(partition, offset) of records that nobody can decode."""
        packed = [pack(Series(tenant_id, "load", "gauge", "", (("i", str(i)),))) for i in range(SERIES)]
        ids = {p: series_id(p) for p in packed}
        self._owned = [
            [p for p in packed if partition_of(ids[p], partitions) == part] for part in range(partitions)
        ]
        self._ids = ids
        self._hands = [
            next(hand for hand in _hands(tenant_id) if partition_of(series_id(hand), partitions) == part)
            for part in range(partitions)
        ]

    async def reconnect(self) -> None:
        """Go on with a new client: one that has met another topic under its name may be of no use."""
        await self._producer.stop()
        await self.__aenter__()

    async def __aenter__(self) -> Self:
        self._producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=2 * MAX_MESSAGE_BYTES,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def rounds(self, count: int, pause_s: float = 0.0) -> None:
        """Publish so many rounds."""
        for _ in range(count):
            await self._round()
            await asyncio.sleep(pause_s)

    async def until(self, stop: asyncio.Event, pause_s: float = 0.05) -> None:
        """Publish rounds until told to stop."""
        while not stop.is_set():
            await self.rounds(1, pause_s)

    async def spoil(self, value: bytes, partitions: Iterable[int] | None = None) -> None:
        """Put a record that cannot be decoded into these partitions, or every one."""
        for partition in range(len(self._owned)) if partitions is None else partitions:
            placed = await self._producer.send_and_wait(self._topic, value, partition=partition)
            self.poison.add((partition, placed.offset))

    def begin(self, before_ms: int, step_ms: int) -> None:
        """Start so much earlier, to make longer steps."""
        self._clock_ms -= before_ms
        self._step_ms = step_ms

    async def finish(self) -> None:
        """Carry time forward until every window has closed, by a point of another tenant."""
        self._clock_ms += 4 * WINDOW_MS
        self._seq += 1
        points = Points(np.zeros(1, np.uint16), np.array([self._clock_ms]), np.ones(1))
        for partition, hand in enumerate(self._hands):
            last = envelope.PointBatch(self._producer_id, self._seq, self._clock_ms, [hand], points, [])
            await self._producer.send_and_wait(self._topic, envelope.encode(last), partition=partition)

    async def _round(self) -> None:
        self._clock_ms += self._step_ms
        self._seq += 1
        acks = []
        for partition, series in enumerate(self._owned):
            value = self.encode(self._batch(series), partition)
            # A producer that crashed between append and ack sends the same message again.
            repeats = 2 if self._random.random() < 0.05 else 1
            acks += [
                await self._producer.send(self._topic, value, partition=partition) for _ in range(repeats)
            ]
        await asyncio.gather(*acks)

    def _batch(self, series: list[bytes]) -> envelope.PointBatch:
        rows = [(slot, self._ts(), packed) for slot, packed in enumerate(series)]
        kept = [(slot, ts, self._value(packed, ts)) for slot, ts, packed in rows if self._room(packed, ts)]
        slot, ts, value = zip(*kept, strict=True) if kept else ((), (), ())
        points = Points(np.array(slot, np.uint16), np.array(ts, np.int64), np.array(value, np.float64))
        return envelope.PointBatch(self._producer_id, self._seq, self._clock_ms, series, points, [])

    def _ts(self) -> int:
        late_ms = self._random.choice((0, 0, 0, 0, 0, 0, 1_500, 9_000, 25_000))
        return self._clock_ms - late_ms - self._random.randrange(300)

    def _room(self, packed: bytes, ts: int) -> bool:
        return self.expected[self._ids[packed], ts - ts % WINDOW_MS] < MAX_POINTS

    def _value(self, packed: bytes, ts: int) -> float:
        key = self._ids[packed], ts - ts % WINDOW_MS
        self.expected[key] += 1
        return 4.0 ** (self.expected[key] - 1)


def _hands(tenant_id: int) -> Iterator[bytes]:
    """Series that carry time forward."""
    for number in itertools.count():
        yield pack(Series(tenant_id + CLOCK_TENANT, "clock", "gauge", "", (("i", str(number)),)))


async def wrong_rows(postgres: str, load: PointLoad, tenant_id: int) -> list[str]:
    """What is wrong with the table, a line each: empty when every point is there exactly once."""
    conn = await asyncpg.connect(postgres)
    try:
        rows = await conn.fetch(
            "SELECT series_id, (extract(epoch FROM window_start) * 1000)::bigint AS start, count, sum "
            "FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1",
            tenant_id,
        )
    finally:
        await conn.close()
    found = {(r["series_id"], r["start"]): (r["count"], r["sum"]) for r in rows}
    expected = {key: (float(n), float((4**n - 1) // 3)) for key, n in load.expected.items() if n}
    return [
        f"series {key[0]} window {key[1]}: {_digits(found.get(key))}, not {expected.get(key)}"
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    ]


def _digits(row: tuple[float, float] | None) -> str:
    if row is None:
        return "no row"
    return f"count {row[0]:g}, points by digit {np.base_repr(int(row[1]), 4)[::-1]}"
