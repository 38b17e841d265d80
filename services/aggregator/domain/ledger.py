"""The ledger entries of one partition: its rows, counted by the tenants of their series.

The tenant of a row is found by its slot. Invariant: the rows that the fold was given are counted one by one, whatever
the gateway's own entries in the message say.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.ledger.entries import Entry, Ledger, Line
from shared.model.rollup import Ints


class RowCounts:
    """Counts until the next checkpoint, and the tenants of the slots of a partition."""

    def __init__(self, tenant_of: Callable[[bytes], int]) -> None:
        self._tenant_of = tenant_of
        self._tenants: list[int] = []
        self._places: dict[int, int] = {}
        self._place = np.zeros(0, np.int32)
        """Place of the tenant of each slot that was asked for."""
        self._ledger = Ledger()

    def say(self, minute_ms: int, lines: Iterable[Line]) -> None:
        """Take in what a message says of itself."""
        self._ledger.add(minute_ms, lines)

    def count(self, minute_ms: int, outcome: str, slot: NDArray[np.integer], series: Sequence[bytes]) -> None:
        """Rows with these slots, which mean these series, had this outcome."""
        self._know(series)
        if len(self._tenants) == 1:
            self._ledger.add(minute_ms, [Line(self._tenants[0], outcome, len(slot))])
        elif len(slot):
            found = np.bincount(self._place[slot])
            lines = (
                Line(self._tenants[place], outcome, int(found[place])) for place in np.flatnonzero(found)
            )
            self._ledger.add(minute_ms, lines)

    def take(self) -> Counter[Entry]:
        """Hand over what was gathered."""
        return self._ledger.take()

    def keep(self, slots: Ints) -> None:
        """Slots are renumbered: `slots[i]`, ascending, becomes i."""
        self._place = self._place[slots[slots < len(self._place)]]

    def _know(self, series: Sequence[bytes]) -> None:
        known = len(self._place)
        if known < len(series):
            new = [self._placed(self._tenant_of(packed)) for packed in series[known:]]
            self._place = np.concatenate((self._place, np.array(new, np.int32)))

    def _placed(self, tenant_id: int) -> int:
        place = self._places.setdefault(tenant_id, len(self._tenants))
        if place == len(self._tenants):
            self._tenants.append(tenant_id)
        return place
