"""A map of at most so many entries: those that were set longest ago make room for new ones, and are counted.

Invariant: it never holds more than `maxsize` entries, and what was set last is there.
"""

from typing import Any, TypeVar

from cachetools import FIFOCache

from shared.model.bound import Bound

K = TypeVar("K")
V = TypeVar("V")


class BoundedMap(FIFOCache[K, V]):
    """A map of at most `maxsize` entries in the order in which they were last set."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self.evicted = 0
        """Entries that made room."""

    def popitem(self) -> tuple[K, V]:
        """Take out the entry that was set longest ago."""
        self.evicted += 1
        return super().popitem()


def bound_of(name: str, *maps: BoundedMap[Any, Any]) -> Bound:
    """The bound of maps that may hold equally many."""
    return Bound(
        name,
        "entries",
        int(maps[0].maxsize),
        lambda: max(map(len, maps)),
        lambda: sum(one.evicted for one in maps),
    )
