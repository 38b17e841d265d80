"""Points as columns: row i of every array is one value of one series at one instant.

Times are milliseconds UTC. The law: columns have one length, values are finite, and order is the order of arrival.
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

    def rows(self, mask: NDArray[np.bool_]) -> "Points":
        """The rows where `mask` is true."""
        weight = None if self.weight is None else self.weight[mask]
        return Points(self.slot[mask], self.ts_ms[mask], self.value[mask], weight)

    def __len__(self) -> int:
        return len(self.ts_ms)
