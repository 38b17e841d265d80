"""Running totals by start and event time: sorted columns, and beside them the totals added since.

A key is the number of a start and an event time in milliseconds UTC. Of totals with one key the largest stands. An
addition costs almost nothing; a look-up costs a pass over the totals that are not merged yet.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIME_BITS = 42
"""Of a key: event times up to the year 2109, and starts below 2^21."""

PENDING = 1 << 16
"""Totals that are kept unsorted; sorting many at once is cheaper."""

_TIMES = (1 << TIME_BITS) - 1


class Totals(NamedTuple):
    """Running totals by key."""

    key: Ints
    total: Floats

    @property
    def start(self) -> Ints:
        """The start of each."""
        return self.key >> TIME_BITS

    @property
    def ts_ms(self) -> Ints:
        """The event time of each."""
        return self.key & _TIMES

    def rows(self, index: NDArray[np.bool_] | Ints | slice) -> "Totals":
        """These rows."""
        return Totals(self.key[index], self.total[index])

    def standing(self) -> "Totals":
        """Keys ascending, each once, with the largest of its totals."""
        order = np.lexsort((self.total, self.key))
        key = self.key[order]
        last = np.ones(len(key), np.bool_)
        last[:-1] = key[1:] != key[:-1]
        return Totals(key[last], self.total[order[last]])


def keys_of(start: Ints, ts_ms: Ints) -> Ints:
    """The key of each total."""
    return start << TIME_BITS | ts_ms


NOTHING = Totals(np.zeros(0, np.int64), np.zeros(0))
"""No totals."""


class History:
    """All totals of many starts: those that were there at first, and those that came since."""

    def __init__(self, totals: Totals = NOTHING, since: Totals = NOTHING) -> None:
        self._sorted = merged(totals, since)
        self._since = since
        self._new_since: list[Totals] = []
        self._new: list[Totals] = []
        self._pending = 0

    def add(self, totals: Totals) -> None:
        """Add totals; where there is one with the same key, the larger will stand."""
        self._new_since.append(totals)
        self._new.append(totals)
        self._pending += len(totals.key)
        if self._pending >= PENDING:
            self.all()

    def of(self, starts: Ints) -> Totals:
        """All totals of these starts, which are ascending."""
        begin = self._sorted.key.searchsorted(starts << TIME_BITS)
        size = self._sorted.key.searchsorted((starts + 1) << TIME_BITS) - begin
        first = np.cumsum(size) - size
        found = self._sorted.rows(np.repeat(begin - first, size) + np.arange(size.sum()))
        if not self._new:
            return found
        new = _together(self._new)
        return merged(found, new.rows(_among(new.start, starts)).standing())

    def since(self) -> Totals:
        """Those that came since, ascending."""
        if self._new_since:
            self._since = merged(self._since, _together(self._new_since).standing())
            self._new_since = []
        return self._since

    def all(self) -> Totals:
        """Every total, ascending."""
        if self._new:
            self._sorted = merged(self._sorted, _together(self._new).standing())
            self._new, self._pending = [], 0
        return self._sorted


def _among(start: Ints, starts: Ints) -> NDArray[np.bool_]:
    at = starts.searchsorted(start)
    return np.asarray(starts.take(at, mode="clip") == start)


def merged(old: Totals, new: Totals) -> Totals:
    """Both, whose keys ascend: each key once, with the larger total."""
    if not len(old.key):
        return new
    at = old.key.searchsorted(new.key)
    same = old.key.take(at, mode="clip") == new.key
    total = old.total.copy()
    total[at[same]] = np.maximum(total[at[same]], new.total[same])
    at, new = at[~same], new.rows(~same)
    return Totals(np.insert(old.key, at, new.key), np.insert(total, at, new.total))


def _together(parts: list[Totals]) -> Totals:
    return Totals(
        np.concatenate([part.key for part in parts]), np.concatenate([part.total for part in parts])
    )
