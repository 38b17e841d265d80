"""A source of grouped rows over points in memory, and the catalogue of their series.

Times are milliseconds UTC. Rows of a tier are there for as long as the shipped retention surely keeps them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.gateway.query.questions.grouped import Grouped, Part, by_window, grouped
from services.gateway.query.questions.selection import Selection
from shared.model import sketch
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import BASE_MS
from tests.support.memory_catalogue import MemoryCatalogue

HOUR_MS = 3_600_000
KEPT_MS = {10_000: 6 * HOUR_MS, 60_000: 9 * 24 * HOUR_MS, 900_000: 400 * 24 * HOUR_MS}


class Point(NamedTuple):
    """One point."""

    series: Series
    ts_ms: int
    value: float
    weight: float = 1.0


def rows_of_points(points: Sequence[Point], slots: dict[Series, int]) -> Rollups:
    """Rows of windows of 10 s."""
    count, weight = len(points), np.array([point.weight for point in points])
    ts_ms, value = np.array([point.ts_ms for point in points]), np.array([point.value for point in points])
    each = Rollups(
        slot=np.array([slots[point.series] for point in points], np.int64),
        start_ms=ts_ms - ts_ms % BASE_MS, count=weight, samples=np.ones(count), sum=value * weight, min=value,
        max=value, last=value, last_ms=ts_ms, estimated=np.zeros(count, np.bool_),
        revision=np.zeros(count, np.int64), late_count=np.zeros(count, np.int64),
        watermark_ms=np.zeros(count, np.int64), sketch_at=np.arange(count + 1), bucket=sketch.buckets_of(value),
        weight=weight, distinct_at=np.zeros(count + 1, np.int64), register=np.zeros(0, np.uint16),
        rank=np.zeros(0, np.uint8),
    )  # fmt: skip
    return by_window(each, BASE_MS)


@dataclass
class MemorySource(MemoryCatalogue):
    """The source and the catalogue of some points."""

    points: Sequence[Point]
    now_ms: int
    complete_ms: int = 1 << 60
    asked: list[tuple[Selection, int, int, int]] = field(default_factory=list)
    """What was read, in order."""

    def __post_init__(self) -> None:
        self._slots: dict[Series, int] = {}
        for point in self.points:
            self._slots.setdefault(point.series, len(self._slots))
        self._rows = rows_of_points(self.points, self._slots) if self.points else None

    async def rows(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Grouped:
        """Rows of windows that start in [from_ms, to_ms)."""
        assert live
        assert from_ms % tier_ms == to_ms % tier_ms == 0, (from_ms, to_ms, tier_ms)
        self.asked.append((selection, from_ms, to_ms, tier_ms))
        if self._rows is None:
            return grouped(selection, [], tier_ms)
        since_ms = max(from_ms, self.now_ms - KEPT_MS[tier_ms])
        kept = np.flatnonzero((self._rows.start_ms >= since_ms) & (self._rows.start_ms < to_ms))
        return grouped(selection, [Part(list(self._slots), self._rows.take(kept))], tier_ms)

    async def complete_until_ms(self) -> int:
        """Windows before this are closed."""
        return self.complete_ms

    def owned(self) -> Iterable[Series]:
        """The series of all points."""
        return self._slots
