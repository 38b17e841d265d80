"""A bound: how much something that grows with traffic, tenants, time or failures may hold, and how much it holds.

The unit is entries or bytes, as `unit` says. `used` and `evicted` are functions, so a bound costs nothing until
somebody reads it.
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
    """How much it holds now; where several of a kind exist, the fullest one."""
    evicted: Callable[[], int] = _none
    """How many entries or bytes were evicted or refused at the limit."""
