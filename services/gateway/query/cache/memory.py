"""What a process keeps in memory: bounded in bytes, each entry with a life of its own.

Seconds of a clock that only grows, sizes in bytes.
"""

from collections.abc import Callable

from cachetools import TLRUCache

from services.gateway.query.cache.entry import Entry
from shared.model.bound import Bound

MOST_SHARE = 4
"""An entry that takes more than one in so many of all bytes is not kept."""


class Memory(TLRUCache[bytes, Entry]):
    """Entries by key; the one used longest ago makes room."""

    def __init__(self, limit_bytes: int, clock: Callable[[], float]) -> None:
        super().__init__(
            limit_bytes, lambda _key, entry, _now: entry.until_s, clock, lambda entry: entry.size
        )
        self.evicted = 0
        """Entries that made room."""

    def keep(self, key: bytes, entry: Entry) -> None:
        """Keep an entry until its time, if it is not too large."""
        if entry.size * MOST_SHARE <= self.maxsize:
            self[key] = entry
        else:
            self.pop(key, None)

    def popitem(self) -> tuple[bytes, Entry]:
        """Take out the entry that was used longest ago."""
        self.evicted += 1
        return super().popitem()

    def bytes_of(self, tenant_id: int) -> dict[int, int]:
        """What the entries of a tenant take, by tier."""
        found: dict[int, int] = {}
        for key in self:
            entry = self.get(key)
            if entry is not None and entry.tenant_id == tenant_id:
                found[entry.rows.tier_ms] = found.get(entry.rows.tier_ms, 0) + entry.size
        return found

    def bound(self) -> Bound:
        """What it may hold."""
        return Bound("cache", "bytes", int(self.maxsize), lambda: int(self.currsize), lambda: self.evicted)
