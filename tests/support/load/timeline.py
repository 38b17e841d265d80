"""A timeline of windows, published as the aggregator would, which says which alerts must follow.

Times are milliseconds UTC; event time runs ahead of the clock from a few hours ago. The expected transitions
depend only on which windows breach, not on how often a window was published or who consumed it.
"""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
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
BREACH, CALM = 6.0, 1.0
BEGIN_MS = 6 * 3600 * 1000
REPEATS = 0.2
"""How often a message comes twice, as from an aggregator that was killed."""

Change = tuple[str, int, int, str]
"""Rule, series id, episode, transition."""


class Timeline:
    """Publishes windows one after the other."""

    def __init__(self, kafka: str, topic: str, partitions: int, tenant_id: int, seed: int) -> None:
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
        self._now: dict[int, float | None] = {}
        self._breaches: dict[int, list[int]] = {series: [] for series in self.series}

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
            if value == BREACH:
                self._breaches[series].append(self.window_ms)
        self.window_ms += BASE_MS
        await self.tick()

    async def tick(self) -> None:
        """All windows before the open one have been published."""
        for partition in range(self._partitions):
            await self.send(partition, rollups.encode(rollups.tick(partition, 0, self.window_ms)))

    async def finish(self) -> None:
        """Silence: whatever lasts ends."""
        self.window_ms += BASE_MS
        await self.tick()

    async def send(self, partition: int, value: bytes) -> int:
        """Publish any bytes; their offset."""
        placed = await self._producer.send_and_wait(self._topic, value, partition=partition)
        return int(placed.offset)

    def _value(self, series: int) -> float | None:
        lasts = self._now.get(series) == BREACH
        return self._random.choices((BREACH, CALM, None), (0.55, 0.3, 0.15) if lasts else (0.35, 0.5, 0.15))[
            0
        ]

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
        numbered = enumerate(start // BASE_MS for start in self._breaches[series])
        for _, run in groupby(numbered, lambda pair: pair[1] - pair[0]):
            windows = [window for _, window in run]
            episode_ms, lasted = windows[0] * BASE_MS, len(windows) >= 3
            yield "timeline/Peak", series, episode_ms, "firing"
            yield "timeline/Peak", series, episode_ms, "resolved"
            yield "timeline/Lasting", series, episode_ms, "pending"
            if lasted:
                yield "timeline/Lasting", series, episode_ms, "firing"
            yield "timeline/Lasting", series, episode_ms, "resolved" if lasted else "cancelled"


def _rows(start_ms: int, values: list[float]) -> Rollups:
    column, count = np.array(values), len(values)
    ones, zeros = np.ones(count), np.zeros(count, np.int64)
    return Rollups(
        slot=np.arange(count), start_ms=zeros + start_ms, count=ones, samples=ones, sum=column, min=column, max=column,
        last=column, last_ms=zeros + start_ms, revision=zeros, late_count=zeros, watermark_ms=zeros + start_ms,
        sketch_at=np.arange(count + 1), bucket=buckets_of(column), weight=ones, estimated=ones < 0,
        distinct_at=np.zeros(count + 1, np.int64), register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
    )  # fmt: skip
