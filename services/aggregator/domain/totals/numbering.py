"""Numbers for keys: the first key that comes gets 0, the next one 1, and each keeps its own.

Keys are int64, and their numbers follow from their order of arrival alone. A look-up is a binary search. The newest
keys are in a small array of their own, so that new keys seldom cause a copy of all old ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NEWEST = 16_384
"""Keys that stand apart before they are merged with all others."""

_NOTHING = np.zeros(0, np.int64)


class _Sorted(NamedTuple):
    """Keys ascending, with their numbers."""

    keys: Ints
    numbers: Ints

    def find(self, keys: Ints) -> Ints:
        if not len(self.keys):
            return np.full(len(keys), -1)
        at = self.keys.searchsorted(keys)
        return np.where(self.keys.take(at, mode="clip") == keys, self.numbers.take(at, mode="clip"), -1)

    def beside(self, keys: Ints) -> tuple[Ints, Ints]:
        """Where the nearest key below each of these stands, and the nearest above; out of range where there is none."""
        return self.keys.searchsorted(keys) - 1, self.keys.searchsorted(keys, side="right")

    def merged(self, other: "_Sorted") -> "_Sorted":
        """Both, which have no key in common."""
        at = self.keys.searchsorted(other.keys)
        return _Sorted(np.insert(self.keys, at, other.keys), np.insert(self.numbers, at, other.numbers))


class Numbering:
    """The numbers of keys."""

    def __init__(self, newest: int = NEWEST) -> None:
        self._most = newest
        self._count = 0
        self._main = self._newest = _Sorted(_NOTHING, _NOTHING)

    def __len__(self) -> int:
        return self._count

    def find(self, keys: Ints) -> Ints:
        """The number of each key; -1 for those that have none."""
        numbers = self._main.find(keys)
        if len(self._newest.keys):
            missing = np.flatnonzero(numbers < 0)
            numbers[missing] = self._newest.find(keys[missing])
        return numbers

    def of(self, keys: Ints) -> Ints:
        """The number of each key; new ones get the next, in the order in which they come."""
        numbers = self.find(keys)
        missing = np.flatnonzero(numbers < 0)
        if len(missing):
            numbers[missing] = self._add(keys[missing])
        return numbers

    def near(self, keys: Ints, distance: int) -> tuple[Ints, Ints]:
        """Pairs of these keys, by their places, and of the numbers of the keys next to them, at most so far away."""
        at, numbers = [], []
        for part in (self._main, self._newest):
            for beside in part.beside(keys):
                inside = np.flatnonzero((beside >= 0) & (beside < len(part.keys)))
                other = beside[inside]
                found = np.abs(part.keys[other] - keys[inside]) <= distance
                at.append(inside[found])
                numbers.append(part.numbers[other[found]])
        return np.concatenate(at), np.concatenate(numbers)

    def _add(self, keys: Ints) -> Ints:
        new, first, at = np.unique(keys, return_index=True, return_inverse=True)
        numbers = np.empty(len(new), np.int64)
        numbers[np.argsort(first)] = np.arange(self._count, self._count + len(new))
        self._count += len(new)
        self._newest = self._newest.merged(_Sorted(new, numbers))
        if len(self._newest.keys) > self._most:
            self._main, self._newest = self._main.merged(self._newest), _Sorted(_NOTHING, _NOTHING)
        return numbers[at]
