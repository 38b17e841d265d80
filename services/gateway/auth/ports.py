"""What the key cache needs from outside.

A dependency that is down is `Unavailable`, never another exception.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

DEFAULT_MAX_SERIES = 10_000
"""Active series of a tenant, unless its row says otherwise."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key gives its bearer."""

    tenant_id: int
    """Whose key it is."""
    scope: str
    """`write`, `beacon` (write, from its origins alone), `read`, `oncall` (read, act on alerts) or `admin` (all)."""
    points_per_s: float
    """Lasting rate of the tenant."""
    points_burst: float
    """Points the tenant may send at once."""
    max_series: int = DEFAULT_MAX_SERIES
    """Series of the tenant that may be active."""
    origins: frozenset[str] = frozenset()
    """Origins of the pages that the key is for; empty: any."""
    scrub: frozenset[str] = frozenset()
    """What is taken out of the tenant's events before they are in the log."""


Spread = Callable[[float], float]
"""Shortens a period at random, so that processes that were restarted together do not do the same at one time."""


SCOPES = {
    "write": frozenset({"write", "beacon", "admin"}),
    "read": frozenset({"read", "oncall", "admin"}),
    "oncall": frozenset({"oncall", "admin"}),
    "admin": frozenset({"admin"}),
}
"""What a route may ask for, and the scopes of the keys that grant it."""


class Grants(Protocol):
    """Knows keys."""

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key with this SHA-256 gives, None for an unknown or revoked one."""
        ...
