"""Cells: rollups under construction, as a struct of arrays, with their sketches and distinct counts.

A cell is the window of one series, or one late row, as its owner decides. Invariant: every figure is folded in the
order of the log, so the division of the log into batches changes nothing. Apart from the rounding of sums, the order of
points changes nothing either.
"""

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.windows.entries import INCREMENT, PLAIN, TOTAL, Entries
from services.aggregator.domain.windows.sparse import DistinctRows, Distincts, Index, Sketches, SketchRows
from shared.model import sketch
from shared.model.rollup import NEVER_MS, Rollups

Floats = NDArray[np.float64]

_EMPTY = {
    "count": 0.0, "sum": 0.0, "min": np.inf, "max": -np.inf, "last": 0.0, "last_ms": NEVER_MS, "estimated": False,
    "touched": False,
}  # fmt: skip


class Cells:
    """Growable columns count, sum, min, max, last, last_ms, estimated and touched, and two sparse ones.

    `samples` is kept apart from `count` from the first row on that adds another number to it.
    """

    __slots__ = (*_EMPTY, "_samples", "distincts", "sketches")

    count: Floats
    sum: Floats
    min: Floats
    max: Floats
    last: Floats
    last_ms: NDArray[np.int64]
    estimated: NDArray[np.bool_]
    touched: NDArray[np.bool_]

    def __init__(self, size: int) -> None:
        for name, empty in _EMPTY.items():
            setattr(self, name, np.full(size, empty))
        self._samples: Floats | None = None
        self.sketches = Sketches()
        self.distincts = Distincts()

    def grow(self, size: int) -> None:
        """Make room for at least `size` cells."""
        have = len(self.count)
        if size <= have:
            return
        more = max(size, 2 * have, 64) - have
        for name, empty in _EMPTY.items():
            setattr(self, name, np.concatenate((getattr(self, name), np.full(more, empty))))
        if self._samples is not None:
            self._samples = np.concatenate((self._samples, np.zeros(more)))

    @property
    def samples(self) -> Floats:
        """Points that came, less those that took something back."""
        return self.count if self._samples is None else self._samples

    def _sample(self, cell: Index, samples: Floats | None) -> None:
        """Add samples (None: as many as are counted) to the cells, before anything is counted."""
        if samples is not None and self._samples is None:
            self._samples = self.count.copy()
        if self._samples is not None:
            np.add.at(self._samples, cell, np.float64(1.0) if samples is None else samples)

    def fold(self, cell: Index, entries: Entries) -> None:
        """Add row i to cell `cell[i]`, in order."""
        self.touched[cell] = True
        self._sample(cell, entries.samples())
        if entries.distinct is not None:
            self.distincts.add(cell, entries.distinct)
        if entries.role is None:
            self._fold_plain(cell, entries)
            return
        self.estimated[cell[entries.role != PLAIN]] = True
        folds = {PLAIN: self._fold_plain, INCREMENT: self._fold_sums, TOTAL: self._fold_last}
        for role, fold in folds.items():
            rows = np.flatnonzero(entries.role == role)
            fold(cell[rows], entries.rows(rows))

    def _fold_plain(self, cell: Index, entries: Entries) -> None:
        self._fold_sums(cell, entries)
        weight = entries.weight
        if weight is not None and len(weight) and weight.min() <= 0:
            self.estimated[cell[weight < 0]] = True
            kept = weight > 0
            cell, entries = cell[kept], entries.rows(kept)
        np.minimum.at(self.min, cell, entries.value)
        np.maximum.at(self.max, cell, entries.value)
        self._fold_last(cell, entries)

    def _fold_sums(self, cell: Index, entries: Entries) -> None:
        value, weight = entries.value, entries.weight
        np.add.at(self.count, cell, np.float64(1.0) if weight is None else weight)
        np.add.at(self.sum, cell, value if weight is None else value * weight)
        self.sketches.add(cell, sketch.buckets_of(value), weight)

    def _fold_last(self, cell: Index, entries: Entries) -> None:
        self._latest(cell, entries.ts_ms, entries.value)

    def _latest(self, cell: Index, ts_ms: NDArray[np.int64], value: Floats) -> None:
        before = self.last_ms.take(cell)
        np.maximum.at(self.last_ms, cell, ts_ms)
        after = self.last_ms.take(cell)
        latest = np.flatnonzero(ts_ms == after)
        newer = np.flatnonzero(after.take(latest) > before.take(latest))
        latest_cell = cell.take(latest)
        self.last[latest_cell.take(newer)] = -np.inf
        np.maximum.at(self.last, latest_cell, value.take(latest))

    def merge(self, cell: Index, rows: Rollups) -> None:
        """Add row i to cell `cell[i]`, in order."""
        self.touched[cell] = True
        self.estimated[cell[rows.estimated]] = True
        if self._samples is not None or not np.array_equal(rows.samples, rows.count):
            self._sample(cell, rows.samples)
        np.add.at(self.count, cell, rows.count)
        np.add.at(self.sum, cell, rows.sum)
        np.minimum.at(self.min, cell, rows.min)
        np.maximum.at(self.max, cell, rows.max)
        known = rows.last_ms > NEVER_MS
        self._latest(cell[known], rows.last_ms[known], rows.last[known])
        self.sketches.merge(cell, SketchRows(rows.sketch_at, rows.bucket, rows.weight))
        self.distincts.merge(cell, DistinctRows(rows.distinct_at, rows.register, rows.rank))
