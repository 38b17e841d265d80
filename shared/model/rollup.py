"""Rollups as columns: row i sums up one series in one window, and says how complete it is.

Times are milliseconds UTC. The law: rollups of disjoint sets of points merge by plain arithmetic, in log order. The
sketch of row i is `bucket[sketch_at[i]:sketch_at[i + 1]]` with the same span of `weight`, buckets ascending.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

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
    sum: Floats
    """(n,) sum of value times weight."""
    min: Floats
    """(n,) smallest value, +inf when only retractions came."""
    max: Floats
    """(n,) largest value, -inf when only retractions came."""
    last: Floats
    """(n,) value with the latest event time, the later in the log among equals."""
    last_ms: Ints
    """(n,) event time of `last`."""
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
    """(m,) weights of all sketches."""

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, rows: Ints) -> "Rollups":
        """The rows with these indices, in this order."""
        begin, end = self.sketch_at[rows], self.sketch_at[rows + 1]
        sizes = end - begin
        at = np.concatenate(([0], np.cumsum(sizes)))
        spans = np.repeat(begin - at[:-1], sizes) + np.arange(at[-1])
        columns = {name: getattr(self, name)[rows] for name in ROW_COLUMNS}
        return Rollups(**columns, sketch_at=at, bucket=self.bucket[spans], weight=self.weight[spans])


SKETCH_COLUMNS = ("sketch_at", "bucket", "weight")
"""Columns that do not have one entry a row."""

ROW_COLUMNS = tuple(f.name for f in fields(Rollups) if f.name not in SKETCH_COLUMNS)
"""Columns with one entry a row."""


def concatenate(parts: list[Rollups]) -> Rollups:
    """All rows of the parts in their order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ROW_COLUMNS}
    sizes = np.concatenate([np.diff(p.sketch_at) for p in parts])
    return Rollups(
        **columns,
        sketch_at=np.concatenate(([0], np.cumsum(sizes))),
        bucket=np.concatenate([p.bucket for p in parts]),
        weight=np.concatenate([p.weight for p in parts]),
    )
