"""A bound: how much something that grows with traffic, tenants, time or failures may hold, and how much it holds.

Entries or bytes, as `unit` says. The law: what is asked costs nothing until somebody looks, and `used` never exceeds
`limit` by more than what comes at once.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _none() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Bound:
    """One queue, cache or buffer."""

    name: str
    """What it is, as docs/BOUNDS.md calls it."""
    unit: str
    """`entries` or `bytes`."""
    limit: int
    used: Callable[[], int]
    """How much it holds now; where there are several of a kind, the fullest."""
    evicted: Callable[[], int] = _none
    """How much has made room, or was turned away, at the limit."""
