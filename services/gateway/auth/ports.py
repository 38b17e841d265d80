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
    """`write`, `read` or `admin` (both)."""
    points_per_s: float
    """Lasting rate of the tenant."""
    points_burst: float
    """Points the tenant may send at once."""
    max_series: int = DEFAULT_MAX_SERIES
    """Series of the tenant that may be active."""


Spread = Callable[[float], float]
"""Shortens a period at random, so that processes that were restarted together do not do the same at one time."""


class Grants(Protocol):
    """Knows keys."""

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key with this SHA-256 gives, None for an unknown or revoked one."""
        ...
