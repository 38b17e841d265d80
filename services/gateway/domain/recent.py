"""A bounded memory: of more entries than it may hold, those that were set longest ago make room and are counted.

The law: at no moment there are more than `most`, and what was set last is there.
"""

from typing import Any, TypeVar

from shared.model.bound import Bound

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """A dict of at most `most` entries in the order in which they were last set."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        """How many it may hold."""
        self.evicted = 0
        """Entries that made room."""

    def __setitem__(self, key: K, value: V) -> None:
        """Set an entry, which is the newest then."""
        self.pop(key, None)
        if len(self) >= self.most:
            del self[next(iter(self))]
            self.evicted += 1
        super().__setitem__(key, value)


def bound_of(name: str, *memories: Recent[Any, Any]) -> Bound:
    """The bound of memories that may hold equally many."""
    return Bound(
        name,
        "entries",
        memories[0].most,
        lambda: max(map(len, memories)),
        lambda: sum(memory.evicted for memory in memories),
    )
