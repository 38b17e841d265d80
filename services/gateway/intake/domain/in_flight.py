"""What is under way at once, and the part of it that one tenant may hold.

Bytes are those of bodies, the larger of what was announced and what was unpacked. A tenant may hold so many times what
is free: alone it has most of the room, and as many as there are, something is left for who comes next (the dynamic
thresholds of Choudhury and Hahne, "Dynamic queue length thresholds", 1998).
"""

from collections import Counter
from dataclasses import dataclass

TIMES_FREE = 3.0
"""So a tenant that is alone holds at most three quarters, and two of them three sevenths each."""

EVERYONE = "too many {} are under way"
"""Why nobody may enter."""

TENANT = "the tenant has its share of {} under way"
"""Why this tenant may not."""


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """What may be under way at once."""

    requests: int
    bytes: int


class Full(Exception):
    """There is no room; `shared`: for nobody, else for this tenant."""

    def __init__(self, what: str, *, shared: bool) -> None:
        super().__init__((EVERYONE if shared else TENANT).format(what))
        self.shared = shared


class InFlight:
    """What is under way in all routes that take something in."""

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        """Bytes of their bodies."""
        self.refused: Counter[str] = Counter()
        """Requests that found no room, by why."""
        self._requests: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()

    def enter(self, tenant_id: int, size: int, limits: ConcurrencyLimits) -> None:
        """Let a request of so many bytes in; raise `Full`."""
        self._check("requests", self.requests, self._requests.get(tenant_id, 0), 1, limits.requests)
        self._check("bytes", self.bytes, self._bytes.get(tenant_id, 0), size, limits.bytes)
        self.requests += 1
        self._requests[tenant_id] += 1
        self._add(tenant_id, size)

    def grow(self, tenant_id: int, size: int, limits: ConcurrencyLimits) -> None:
        """Let it hold so many bytes more; raise `Full`."""
        self._check("bytes", self.bytes, self._bytes[tenant_id], size, limits.bytes)
        self._add(tenant_id, size)

    def leave(self, tenant_id: int, size: int) -> None:
        """It is answered, and had so many bytes in all."""
        self.requests -= 1
        self._requests[tenant_id] -= 1
        self._add(tenant_id, -size)
        if not self._requests[tenant_id]:
            del self._requests[tenant_id], self._bytes[tenant_id]

    def tenants(self) -> int:
        """Tenants that hold something."""
        return len(self._requests)

    def _add(self, tenant_id: int, size: int) -> None:
        self.bytes += size
        self._bytes[tenant_id] += size

    def _check(self, what: str, total: int, own: int, more: int, limit: int) -> None:
        if total + more > limit:
            self.refused[what] += 1
            raise Full(what, shared=True)
        # Who holds nothing may enter as long as there is room.
        if own and own + more > TIMES_FREE * (limit - total):
            self.refused[f"tenant_{what}"] += 1
            raise Full(what, shared=False)
