"""What a message adds to windows: its points, those of running totals turned into increments. Milliseconds UTC.

A row of `role` PLAIN is a point as it came. An INCREMENT, or with negative weight one that is taken back, adds without
being a last value; a TOTAL is a last value that adds nothing. The law: each point of the log is one PLAIN or one TOTAL.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model.point import Points

PLAIN, INCREMENT, TOTAL = 0, 1, 2
"""Roles of a row."""


@dataclass(slots=True, eq=False)
class Entries(Points):
    """Columns of n rows."""

    role: NDArray[np.uint8] | None = None
    """(n,) what a row does; None: all are plain."""

    def rows(self, mask: NDArray[np.bool_] | NDArray[np.integer] | slice) -> "Entries":
        """The rows where `mask` is true, or those with these indices, or of this span."""
        weight, start_ms, distinct = self.optional()
        return Entries(
            self.slot[mask],
            self.ts_ms[mask],
            self.value[mask],
            None if weight is None else weight[mask],
            None if start_ms is None else start_ms[mask],
            None if distinct is None else distinct[mask],
            None if self.role is None else self.role[mask],
        )

    def points(self) -> NDArray[np.bool_] | None:
        """Which rows are points of the log; None: all."""
        return None if self.role is None else self.role != INCREMENT
