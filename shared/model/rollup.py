"""Rollups as columns: row i sums up one series in one window, and says how complete it is.

Times are milliseconds UTC. Rollups of disjoint sets of points merge in the order of the log. The sketch of row i is
`bucket[sketch_at[i]:sketch_at[i + 1]]` with the same span of `weight`, buckets ascending. Its distinct count is the
span `distinct_at` of `register` and `rank`, registers ascending. Invariant: a merge of merges is the merge, and a
merged row says what the fold of all its points would say, but for the rounding of sums.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shared.model import sketch
from shared.model.sketch import Sketches

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEVER_MS = np.iinfo(np.int64).min
"""Event time of the last point of a row that has none."""


@dataclass(slots=True, eq=False)
class Rollups:
    """Columns of n rollups."""

    slot: Ints
    """(n,) index of the series in a list that travels with the rollups."""
    start_ms: Ints
    """(n,) start of the window."""
    count: Floats
    """(n,) sum of weights."""
    samples: Floats
    """(n,) points that came, whatever their weights, less those that took something back; NaN: not known."""
    sum: Floats
    """(n,) sum of value times weight."""
    min: Floats
    """(n,) smallest value, +inf when nothing of positive weight is left."""
    max: Floats
    """(n,) largest value, -inf when nothing of positive weight is left."""
    last: Floats
    """(n,) value with the latest event time, the larger among equals; retractions never change it."""
    last_ms: Ints
    """(n,) event time of `last`."""
    estimated: NDArray[np.bool_]
    """(n,) whether min and max are bounds taken from the sketch, since something was taken back."""
    revision: Ints
    """(n,) log messages that changed the row after its window closed."""
    late_count: Ints
    """(n,) points that came after the window closed."""
    watermark_ms: Ints
    """(n,) watermark of the partition when the row got this state."""
    sketch_at: Ints
    """(n + 1,) where each row's sketch begins."""
    bucket: NDArray[np.int16]
    """(m,) buckets of all sketches."""
    weight: Floats
    """(m,) weights of all sketches, none 0."""
    distinct_at: Ints
    """(n + 1,) where each row's distinct count begins."""
    register: NDArray[np.uint16]
    """(k,) registers of all distinct counts."""
    rank: NDArray[np.uint8]
    """(k,) ranks of all distinct counts."""

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, rows: Ints) -> "Rollups":
        """The rows with these indices, in this order."""
        columns = {name: getattr(self, name)[rows] for name in ROW_COLUMNS}
        for at, names in RAGGED.items():
            columns[at], spans = spans_of(getattr(self, at), rows)
            columns |= {name: getattr(self, name)[spans] for name in names}
        return Rollups(**columns)

    def span(self, begin: int, end: int) -> "Rollups":
        """The rows from one index up to another, as views."""
        columns = {name: getattr(self, name)[begin:end] for name in ROW_COLUMNS}
        for at, names in RAGGED.items():
            where = getattr(self, at)[begin : end + 1]
            columns[at] = where - where[0]
            columns |= {name: getattr(self, name)[where[0] : where[-1]] for name in names}
        return Rollups(**columns)


def sketches_of(rows: Rollups, index: Ints) -> Sketches:
    """The sketches of the rows with these indices, with their extremes."""
    at, spans = spans_of(rows.sketch_at, index)
    return Sketches(at, rows.bucket[spans], rows.weight[spans], rows.min[index], rows.max[index])


def spans_of(at: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Where the spans of these rows begin when they stand end to end, and the entries that they hold."""
    if not at[-1]:
        return np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.int64)
    begin = at[rows]
    sizes = at[rows + 1] - begin
    moved = np.concatenate(([0], np.cumsum(sizes)))
    return moved, np.repeat(begin - moved[:-1], sizes) + np.arange(moved[-1])


RAGGED = {"sketch_at": ("bucket", "weight"), "distinct_at": ("register", "rank")}
"""Columns that do not have one entry a row, by the one that divides them among the rows."""

SPARSE_COLUMNS = tuple(name for at, names in RAGGED.items() for name in (at, *names))
"""The same, flat."""

ROW_COLUMNS = tuple(f.name for f in fields(Rollups) if f.name not in SPARSE_COLUMNS)
"""Columns with one entry a row."""


def concatenate(parts: list[Rollups]) -> Rollups:
    """All rows of the parts in their order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ROW_COLUMNS}
    for at, names in RAGGED.items():
        sizes = [np.diff(getattr(p, at)) for p in parts]
        columns[at] = np.concatenate(([0], np.cumsum(np.concatenate(sizes))))
        columns |= {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return Rollups(**columns)


_BUCKETS = 1 << 16
_BIAS = 1 << 15
_DENSE = 1 << 23
"""Entries up to which an array has one for each possible key, which needs no sorting."""
_SPARSE = 64
"""How many times as many they may be as there are keys."""
_NO_BUCKETS = np.zeros(0, np.int16)
_REGISTERS = 1 << 12
_RANKS = 1 << 6


def merged(rows: Rollups, cell: Ints, cells: int) -> Rollups:
    """Row i added to cell `cell[i]` of 0 to `cells - 1`: one row a cell, in their order, empty cells included.

    The slot of a merged row is its cell; `start_ms` is the earliest of its rows, the watermark the lowest, 0 for none.
    Sums are added in the order of the rows, and so are revisions and late points.
    """
    sketch_at, bucket, weight = _sketches(rows, cell, cells)
    distinct_at, register, rank = _distincts(rows, cell, cells)
    last_ms, last = _latest(rows, cell, cells)
    estimated = np.bincount(cell, rows.estimated, cells) > 0
    low, high = _least(rows.min, cell, cells), -_least(-rows.max, cell, cells)
    if estimated.any():
        lowest, highest = sketch.extremes(sketch_at, bucket, weight)
        low, high = np.where(estimated, lowest, low), np.where(estimated, highest, high)
    return Rollups(
        slot=np.arange(cells),
        start_ms=_lowest(rows.start_ms, cell, cells),
        count=_total(rows.count, cell, cells),
        samples=_total(rows.samples, cell, cells),
        sum=_total(rows.sum, cell, cells),
        min=low,
        max=high,
        last=last,
        last_ms=last_ms,
        estimated=estimated,
        revision=np.bincount(cell, rows.revision, cells).astype(np.int64),
        late_count=np.bincount(cell, rows.late_count, cells).astype(np.int64),
        watermark_ms=_lowest(rows.watermark_ms, cell, cells),
        sketch_at=sketch_at,
        bucket=bucket,
        weight=weight,
        distinct_at=distinct_at,
        register=register,
        rank=rank,
    )


def _total(values: Floats, cell: Ints, cells: int) -> Floats:
    return np.bincount(cell, values, cells).astype(np.float64, copy=False)


def _least(values: Floats, cell: Ints, cells: int) -> Floats:
    found = np.full(cells, np.inf)
    np.minimum.at(found, cell, values)
    return found


def _lowest(times_ms: Ints, cell: Ints, cells: int) -> Ints:
    never = np.iinfo(np.int64).max
    found = np.full(cells, never)
    np.minimum.at(found, cell, times_ms)
    return np.where(found == never, 0, found)


def _latest(rows: Rollups, cell: Ints, cells: int) -> tuple[Ints, Floats]:
    """The latest time of each cell, and the larger of the values at that time."""
    last_ms = np.full(cells, NEVER_MS)
    np.maximum.at(last_ms, cell, rows.last_ms)
    latest = (rows.last_ms == last_ms[cell]) & (rows.last_ms > NEVER_MS)
    last = np.full(cells, -np.inf)
    np.maximum.at(last, cell[latest], rows.last[latest])
    return last_ms, np.where(last_ms > NEVER_MS, last, 0.0)


def _sketches(rows: Rollups, cell: Ints, cells: int) -> tuple[Ints, NDArray[np.int16], Floats]:
    """Weights of equal buckets are added in the order of the rows; buckets that this empties are left out."""
    low, high = (int(rows.bucket.min()), int(rows.bucket.max())) if len(rows.bucket) else (0, 0)
    width = high - low + 1
    if _is_dense(cells * width, len(rows.bucket)):
        keys = np.repeat(cell * width - low, np.diff(rows.sketch_at))
        keys += rows.bucket
        return _divided(*_added(keys, rows.weight, cells * width), np.arange(low, high + 1), cells)
    used, index = np.zeros(_BUCKETS, np.bool_), rows.bucket.astype(np.int64) + _BIAS
    used[index] = True
    buckets = np.flatnonzero(used) - _BIAS
    owner = np.repeat(cell * len(buckets), np.diff(rows.sketch_at))
    owner += (np.cumsum(used, dtype=np.int32) - 1)[index]
    return _divided(*_added(owner, rows.weight, cells * len(buckets)), buckets, cells)


def _divided(keys: Ints, weight: Floats, buckets: Ints, cells: int) -> tuple[Ints, NDArray[np.int16], Floats]:
    """Ascending keys, each a cell times the number of buckets and the place of a bucket, as sketches end to end."""
    kept = np.flatnonzero(weight)
    if len(kept) < len(weight):
        keys, weight = keys[kept], weight[kept]
    at = np.searchsorted(keys, np.arange(cells + 1) * len(buckets))
    return at, buckets[keys % len(buckets)].astype(np.int16) if len(keys) else _NO_BUCKETS, weight


def _is_dense(cells: int, entries: int) -> bool:
    """Whether an array with one place for each possible key is worth its memory."""
    return cells <= min(_DENSE, _SPARSE * entries)


def _added(keys: Ints, weight: Floats, limit: int) -> tuple[Ints, Floats]:
    """The distinct keys, all below the limit, ascending, with their weights added up."""
    if _is_dense(limit, len(keys)):
        added = _total(weight, keys, limit)
        found = np.flatnonzero(added != 0)
        return found, added[found]
    if not len(keys):
        return keys, weight
    found, at = np.unique(keys, return_inverse=True)
    return found, _total(weight, at, len(found))


def _distincts(rows: Rollups, cell: Ints, cells: int) -> tuple[Ints, NDArray[np.uint16], NDArray[np.uint8]]:
    """The highest rank of each register."""
    owner = np.repeat(cell, np.diff(rows.distinct_at)) * _REGISTERS
    packed = np.unique((owner + rows.register) * _RANKS + rows.rank)
    keys = packed // _RANKS
    if len(keys):
        highest = np.concatenate((keys[1:] != keys[:-1], [True]))
        packed, keys = packed[highest], keys[highest]
    at = np.searchsorted(keys, np.arange(cells + 1) * _REGISTERS)
    return at, (keys % _REGISTERS).astype(np.uint16), (packed % _RANKS).astype(np.uint8)
