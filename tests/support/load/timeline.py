"""A timeline of windows, published as the aggregator would, which says which alerts must follow.

Times are milliseconds UTC; event time runs ahead of the clock from a few hours ago. The expected transitions
depend only on which windows breach, not on how often a window was published or who consumed it.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Self

import aiokafka
import numpy as np

from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.sketch import buckets_of
from shared.model.window import BASE_MS, start_of
from shared.runtime.clock import now_ms
from shared.wire import rollups
from shared.wire.series import pack, partition_of, series_id

RULES = """
groups:
  - name: timeline
    rules:
      - alert: Peak
        expr: timeline:level:max_10s > 5
        labels: {severity: critical}
        annotations: {summary: 'level {{ $value }} at {{ $labels.place }}'}
      - alert: Lasting
        expr: timeline:level:p95_10s > 3
        for: 20s
"""
"""The rules that a timeline is about."""

SERIES = 12
LASTS_MS = 20_000
"""How long `Lasting` waits."""

MOST_SILENT = 3
"""Windows in a row without points of a series: too few for it to be gone."""

BREACH, CALM = 6.0, 1.0
BEGIN_MS = 6 * 3600 * 1000
REPEATS = 0.2
"""How often a message comes twice, as from an aggregator that was killed."""

Change = tuple[str, int, int, str]
"""Rule, series id, episode, transition."""


class Timeline:
    """Publishes windows one after the other."""

    def __init__(
        self, kafka: str, topic: str, partitions: int, tenant_id: int, seed: int, *, silent: bool = True
    ) -> None:
        """`silent`: whether series leave out windows, which ended alerts until version 0.2."""
        self._topic = topic
        self._partitions = partitions
        self._random = random.Random(seed)
        self._producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
        self.window_ms = start_of(now_ms() - BEGIN_MS)
        """Start of the window that is open."""
        packed = [
            pack(Series(tenant_id, "timeline.level", "gauge", "", (("place", str(i)),)))
            for i in range(SERIES)
        ]
        self.series = {series_id(p): p for p in packed}
        self._silent = silent
        self._now: dict[int, float | None] = {}
        self._closed: dict[int, list[tuple[int, float | None]]] = {series: [] for series in self.series}

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def window(self) -> None:
        """One window from its beginning to its close."""
        await self.open()
        await self.close()

    async def open(self) -> None:
        """The next window: each series breaches, is calm or is silent, and some of that is shown live."""
        self._now = {series: self._value(series) for series in self.series}
        for _ in range(self._random.randrange(3)):
            shown = [s for s, value in self._now.items() if value is not None and self._random.random() < 0.7]
            await self._publish(shown, final=False)

    async def close(self) -> None:
        """It closes, then time passes its end."""
        for _ in range(2 if self._random.random() < REPEATS else 1):
            await self._publish([s for s, value in self._now.items() if value is not None], final=True)
        for series, value in self._now.items():
            self._closed[series].append((self.window_ms, value))
        self.window_ms += BASE_MS
        await self.tick()

    async def tick(self) -> None:
        """All windows before the open one have been published."""
        for partition in range(self._partitions):
            await self.send(partition, rollups.encode(rollups.tick(partition, 0, self.window_ms)))

    async def finish(self) -> None:
        """All are calm: whatever lasts ends."""
        self._now = dict.fromkeys(self.series, CALM)
        await self.close()

    async def send(self, partition: int, value: bytes) -> int:
        """Publish any bytes; their offset."""
        placed = await self._producer.send_and_wait(self._topic, value, partition=partition)
        return int(placed.offset)

    def _value(self, series: int) -> float | None:
        lately = [value for _, value in self._closed[series][-MOST_SILENT:]]
        silent = 0.15 if self._silent and any(value is not None for value in lately) else 0
        weights = (0.55, 0.3, silent) if self._now.get(series) == BREACH else (0.35, 0.5, silent)
        return self._random.choices((BREACH, CALM, None), weights)[0]

    async def _publish(self, shown: list[int], *, final: bool) -> None:
        for partition in range(self._partitions):
            mine = [s for s in shown if partition_of(s, self._partitions) == partition]
            if mine:
                await self.send(partition, rollups.encode(self.windows(partition, mine, final=final)))

    def windows(self, partition: int, series: list[int], *, final: bool) -> rollups.WindowBatch:
        """The open window of these series as a message."""
        values = [self._now.get(s) or BREACH for s in series]
        packed = [self.series[s] for s in series]
        return rollups.WindowBatch(
            partition, final, 0, self.window_ms + BASE_MS * final, packed, _rows(self.window_ms, values)
        )

    def expected(self) -> Counter[Change]:
        """What must be in the audit, each once."""
        return Counter(change for series in self.series for change in self._changes(series))

    def _changes(self, series: int) -> Iterator[Change]:
        """A window without points holds what is; a level that breached has lasted through it."""
        begun_ms, fired = 0, False
        for start_ms, value in self._closed[series]:
            if value == CALM and begun_ms:
                yield "timeline/Peak", series, begun_ms, "resolved"
                yield "timeline/Lasting", series, begun_ms, "resolved" if fired else "cancelled"
                begun_ms, fired = 0, False
            elif value == BREACH and not begun_ms:
                begun_ms = start_ms
                yield "timeline/Peak", series, begun_ms, "firing"
                yield "timeline/Lasting", series, begun_ms, "pending"
            if begun_ms and not fired and start_ms - begun_ms >= LASTS_MS:
                fired = True
                yield "timeline/Lasting", series, begun_ms, "firing"


def _rows(start_ms: int, values: list[float]) -> Rollups:
    column, count = np.array(values), len(values)
    ones, zeros = np.ones(count), np.zeros(count, np.int64)
    return Rollups(
        slot=np.arange(count), start_ms=zeros + start_ms, count=ones, samples=ones, sum=column, min=column, max=column,
        last=column, last_ms=zeros + start_ms, revision=zeros, late_count=zeros, watermark_ms=zeros + start_ms,
        sketch_at=np.arange(count + 1), bucket=buckets_of(column), weight=ones, estimated=ones < 0,
        distinct_at=np.zeros(count + 1, np.int64), register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
    )  # fmt: skip
