"""The rows that a message adds to windows: its points, with running totals turned into increments. Milliseconds UTC.

A row of role PLAIN is a point as it came. An INCREMENT (of negative weight when taken back) adds but is no last value.
A TOTAL is a last value that adds nothing. SEEN marks the total of a histogram, which does neither. Each point of the
log is exactly one PLAIN, TOTAL or SEEN row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model.point import Points

PLAIN, INCREMENT, TOTAL, SEEN = 0, 1, 2, 3
"""Roles of a row."""


@dataclass(slots=True, eq=False)
class Entries(Points):
    """Columns of n rows."""

    role: NDArray[np.uint8] | None = None
    """(n,) what a row does; None: all are plain."""

    def rows(self, mask: NDArray[np.bool_] | NDArray[np.integer] | slice) -> "Entries":
        """The rows where `mask` is true, or those with these indices, or of this span."""
        kept = [None if column is None else column[mask] for column in (*self.optional(), self.role)]
        return Entries(self.slot[mask], self.ts_ms[mask], self.value[mask], *kept)  # type: ignore[arg-type]

    def samples(self) -> NDArray[np.float64] | None:
        """What each row adds to the samples, -1 where a point takes back; None: 1 each, which is what they count."""
        if self.role is None and self.weight is None:
            return None
        signs = np.ones(len(self)) if self.weight is None else np.sign(self.weight)
        if self.role is None:
            return signs
        return np.where(self.role == PLAIN, signs, np.where(self.role == INCREMENT, 0.0, 1.0))

    def points(self) -> NDArray[np.bool_] | None:
        """Which rows are points of the log; None: all."""
        return None if self.role is None else self.role != INCREMENT


def joined(parts: Sequence[Entries]) -> Entries:
    """All rows of the parts, which have roles, in their order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return Entries(
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.ts_ms for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([np.ones(len(part)) if part.weight is None else part.weight for part in parts]),
        distinct=np.concatenate([_distinct(part) for part in parts])
        if any(part.distinct is not None for part in parts)
        else None,
        role=np.concatenate([part.role for part in parts if part.role is not None]),
    )


def _distinct(part: Entries) -> NDArray[np.uint64]:
    return np.zeros(len(part), np.uint64) if part.distinct is None else part.distinct
