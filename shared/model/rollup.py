"""Rollups as columns: row i sums up one series in one window, and says how complete it is.

Times are milliseconds UTC. Rollups of disjoint sets of points merge in the order of the log. The sketch of row i is
`bucket[sketch_at[i]:sketch_at[i + 1]]` with the same span of `weight`, buckets ascending. Its distinct count is the
span `distinct_at` of `register` and `rank`, registers ascending.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shared.model.sketch import Sketches

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
