"""Which series of a partition have points in the present span of log time: each is handed over once in it.

So the table `series` knows what is in use. Times are milliseconds UTC; a slot numbers a series. The first span of a
fold is that of its checkpoint, whose series were handed over then.
"""

import numpy as np
from numpy.typing import NDArray

from shared.model.rollup import Ints

SPAN_MS = 30 * 24 * 3600 * 1000
"""Length of a span."""


class SeriesInUse:
    """The series that are older than the span, and have had no point in it."""

    __slots__ = ("_unseen",)

    def __init__(self) -> None:
        self._unseen: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def move(self, before_ms: int | None, after_ms: int, series: int) -> None:
        """Log time moves; when a span begins, none of so many series has been seen in it."""
        if before_ms is not None and after_ms // SPAN_MS != before_ms // SPAN_MS:
            self._unseen = np.ones(series, np.bool_)

    def first(self, slots: NDArray[np.intp]) -> list[int]:
        """Those of the slots that have their first points of the span."""
        if not len(self._unseen):
            return []
        older = slots[slots < len(self._unseen)]
        found: list[int] = np.unique(older[self._unseen[older]]).tolist()
        self._unseen[found] = False
        return found

    def keep(self, used: Ints) -> None:
        """Only these slots are left, and are numbered in this order from now on."""
        self._unseen = self._unseen[used[used < len(self._unseen)]]
