"""What the cache needs from outside. Nothing here raises for a server that is away: it knows nothing then.

Times are milliseconds UTC, lives seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.gateway.query.cache.entry import Entry, Known


class Changes(Protocol):
    """Knows what the log has changed."""

    def known(self) -> Known:
        """How far it has read."""
        ...

    def covers(self, log_ms: int) -> bool:
        """Whether all is known that was committed after the log stood at this time."""
        ...

    def touched(self, tenant_id: int, metric: str, tier_ms: int, start_ms: int) -> Mapping[int, int]:
        """By partition, the highest offset at which rows of the block with this window have changed."""
        ...


class Shared(Protocol):
    """Keeps entries for all processes."""

    async def get(self, key: bytes) -> Entry | None:
        """The entry; None: there is none, or none can be had now."""
        ...

    async def put(self, key: bytes, entry: Entry, life_s: float) -> None:
        """Keep it for so long, and let go of the claim."""
        ...

    async def claim(self, key: bytes) -> bool:
        """Whether this process should load it, for nobody else does."""
        ...

    async def release(self, key: bytes) -> None:
        """Let others load it: nothing was kept."""
        ...


class Salts(Protocol):
    """Knows which entries of a tenant were cleared."""

    async def salt(self, tenant_id: int, metric: str) -> str:
        """What the keys of its entries are made with."""
        ...

    async def clear(self, tenant_id: int, metric: str | None) -> bool:
        """Make other keys from now on, of one metric or all; whether the other processes will know of it."""
        ...


class Shapes(Protocol):
    """Keeps for the next process which questions are asked most."""

    async def save(self, shapes: Sequence[bytes]) -> None:
        """Those most asked, the most asked first."""
        ...

    async def load(self) -> Sequence[bytes]:
        """What was saved last; nothing where nothing can be had."""
        ...
