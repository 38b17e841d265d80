"""Points as columns: row i of every array is one value of one series at one instant.

Times are milliseconds UTC. All columns have one length, all values are finite, and rows are in order of arrival.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_MAGNITUDE = 1e100
"""Largest absolute value of a point: sums of any number of them stay finite."""

MAX_WEIGHT = 1e12
"""Largest absolute weight of a point."""


@dataclass(slots=True, eq=False)
class Points:
    """Columns of n points."""

    slot: NDArray[np.integer]
    """(n,) index of the point's series in a list that travels with the points."""
    ts_ms: NDArray[np.int64]
    """(n,) event time."""
    value: NDArray[np.float64]
    """(n,) finite."""
    weight: NDArray[np.float64] | None = None
    """(n,) how many the point stands for, negative to retract; None: all 1."""
    start_ms: NDArray[np.int64] | None = None
    """(n,) when the running total of a cumulative point began to run, 0 where unknown; None: all unknown."""
    distinct: NDArray[np.uint64] | None = None
    """(n,) hash of the string to be counted once, 0 where there is none; None: no point has one."""
    stream: NDArray[np.uint64] | None = None
    """(n,) hash of what tells a running total apart within its series, 0 where nothing does; None: nowhere."""

    def rows(self, mask: NDArray[np.bool_] | NDArray[np.integer] | slice) -> "Points":
        """The rows where `mask` is true, or those with these indices, or of this span."""
        kept = [None if column is None else column[mask] for column in self.optional()]
        return Points(self.slot[mask], self.ts_ms[mask], self.value[mask], *kept)  # type: ignore[arg-type]

    def optional(
        self,
    ) -> tuple[
        NDArray[np.float64] | None,
        NDArray[np.int64] | None,
        NDArray[np.uint64] | None,
        NDArray[np.uint64] | None,
    ]:
        """The columns that may be missing: weight, start_ms, distinct, stream."""
        return self.weight, self.start_ms, self.distinct, self.stream

    def __len__(self) -> int:
        return len(self.ts_ms)
