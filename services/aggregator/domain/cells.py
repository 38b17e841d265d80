"""Cells: rollups under construction, as a struct of arrays, with their sketches.

Cell i is whatever its owner says: the window of one series, or one late row. The law: folding is sequential in the
order of the log for every figure, so it does not matter where the log is cut into batches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model import sketch
from shared.model.point import Points

Index = NDArray[np.integer]
Floats = NDArray[np.float64]

NEVER_MS = np.iinfo(np.int64).min
"""Event time of the last point of a cell that has none."""

PENDING_POINTS = 1 << 16
"""Sketch entries that are kept unsorted; sorting many at once is cheaper."""

_BUCKET_BITS = 16
_BUCKET_BIAS = 1 << 15

_EMPTY = {"count": 0.0, "sum": 0.0, "min": np.inf, "max": -np.inf, "last": 0.0}


@dataclass(slots=True, eq=False)
class SketchRows:
    """Sketches of many cells: cell i has `bucket[at[i]:at[i + 1]]` and the same span of `weight`."""

    at: NDArray[np.int64]
    bucket: NDArray[np.int16]
    weight: Floats


class Cells:
    """Growable columns count, sum, min, max, last, last_ms and touched, with a sparse sketch."""

    __slots__ = ("_keys", "_new_keys", "_new_points", "_new_weights", "_weighted", "_weights",
                 "count", "last", "last_ms", "max", "min", "sum", "touched")  # fmt: skip

    def __init__(self, size: int) -> None:
        self.count = np.zeros(size)
        self.sum = np.zeros(size)
        self.min = np.full(size, np.inf)
        self.max = np.full(size, -np.inf)
        self.last = np.zeros(size)
        self.last_ms = np.full(size, NEVER_MS)
        self.touched = np.zeros(size, np.bool_)
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._weights: Floats = np.zeros(0)
        self._new_keys: list[NDArray[np.int64]] = []
        self._new_weights: list[Floats | None] = []
        self._new_points = 0
        self._weighted = False

    def grow(self, size: int) -> None:
        """Make room for at least `size` cells."""
        have = len(self.count)
        if size <= have:
            return
        more = max(size, 2 * have, 64) - have
        for name, empty in _EMPTY.items():
            setattr(self, name, np.concatenate((getattr(self, name), np.full(more, empty))))
        self.last_ms = np.concatenate((self.last_ms, np.full(more, NEVER_MS)))
        self.touched = np.concatenate((self.touched, np.zeros(more, np.bool_)))

    def fold(self, cell: Index, points: Points) -> None:
        """Add point i to cell `cell[i]`, in order."""
        value, weight = points.value, points.weight
        self.touched[cell] = True
        if weight is None:
            np.add.at(self.count, cell, np.float64(1.0))
            np.add.at(self.sum, cell, value)
            self._fold_extremes(cell, points.ts_ms, value)
        else:
            np.add.at(self.count, cell, weight)
            np.add.at(self.sum, cell, value * weight)
            kept = weight > 0
            self._fold_extremes(cell[kept], points.ts_ms[kept], value[kept])
        self.add_sketch(_keys(cell, sketch.buckets_of(value)), weight)

    def _fold_extremes(self, cell: Index, ts_ms: NDArray[np.int64], value: Floats) -> None:
        np.minimum.at(self.min, cell, value)
        np.maximum.at(self.max, cell, value)
        np.maximum.at(self.last_ms, cell, ts_ms)
        latest = ts_ms == self.last_ms[cell]
        self.last[cell[latest]] = value[latest]

    def add_sketch(self, keys: NDArray[np.int64], weight: Floats | None) -> None:
        """Add weights (None: 1 each) to sketch entries, packed by `keys_of`."""
        self._new_keys.append(keys)
        self._new_weights.append(weight)
        self._weighted = self._weighted or weight is not None
        self._new_points += len(keys)
        if self._new_points >= max(PENDING_POINTS, len(self._keys)):
            self._compact()

    def restore_sketch(self, keys: NDArray[np.int64], weights: Floats) -> None:
        """Start from these entries, packed by `keys_of` and ascending."""
        self._keys, self._weights = keys, weights
        self._weighted = bool(np.any(weights % 1))

    def _compact(self) -> None:
        if not self._new_keys:
            return
        new = np.concatenate(self._new_keys)
        if self._weighted:
            pairs = zip(self._new_keys, self._new_weights, strict=True)
            weights = [np.ones(len(keys)) if weight is None else weight for keys, weight in pairs]
            self._keys, self._weights = _added(self._keys, self._weights, new, np.concatenate(weights))
        else:
            keys, counts = np.unique(new, return_counts=True)
            self._keys, self._weights = _added(self._keys, self._weights, keys, counts.astype(np.float64))
        self._new_keys, self._new_weights, self._new_points = [], [], 0

    def sketches(self, cells: Index) -> SketchRows:
        """The sketches of these cells, which must be ascending."""
        self._compact()
        low = np.asarray(cells, np.int64) << _BUCKET_BITS
        begin = np.searchsorted(self._keys, low)
        end = np.searchsorted(self._keys, low + (1 << _BUCKET_BITS))
        sizes = end - begin
        at = np.concatenate(([0], np.cumsum(sizes)))
        spans = np.repeat(begin - at[:-1], sizes) + np.arange(at[-1])
        bucket = (self._keys[spans] & ((1 << _BUCKET_BITS) - 1)) - _BUCKET_BIAS
        return SketchRows(at, bucket.astype(np.int16), self._weights[spans])


def keys_of(cells: Index, rows: SketchRows) -> NDArray[np.int64]:
    """Packed sketch entries of rows, of which row i belongs to `cells[i]`; ascending when the cells are."""
    return _keys(np.repeat(cells, np.diff(rows.at)), rows.bucket)


def _keys(cell: Index, bucket: NDArray[np.int16]) -> NDArray[np.int64]:
    keys = cell.astype(np.int64)
    keys <<= _BUCKET_BITS
    keys += bucket
    keys += _BUCKET_BIAS
    return keys


def _added(
    keys: NDArray[np.int64], weights: Floats, new_keys: NDArray[np.int64], new_weights: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Sum equal keys, the old ones first, in order: sums of fractions come out as if added one by one."""
    both = np.concatenate((keys, new_keys))
    distinct, at = np.unique(both, return_inverse=True)
    sums = np.bincount(at, np.concatenate((weights, new_weights)), len(distinct))
    return distinct, sums.astype(np.float64, copy=False)
