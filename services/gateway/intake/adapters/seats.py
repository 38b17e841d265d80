"""What one request holds of what may be under way, what it may bring, and the answers where there is no room.

Bytes are those of its body, items its points or events. Invariant: what is held is let go once.
"""

from collections.abc import Callable
from math import ceil

from services.gateway.http.problems import Problem, refused
from services.gateway.intake.domain.in_flight import ConcurrencyLimits, Full, InFlight
from shared.runtime.clock import monotonic_s


class Seat:
    """What a request holds of what may be under way; nothing at first."""

    __slots__ = ("_in_flight", "_limits", "_size", "_tenant_id")

    def __init__(self, in_flight: InFlight, limits: ConcurrencyLimits) -> None:
        self._in_flight = in_flight
        self._limits = limits
        self._tenant_id: int | None = None
        self._size = 0

    def take(self, tenant_id: int, size: int) -> None:
        """Hold so many bytes; raise `Problem` when there is no room."""
        try:
            self._in_flight.enter(tenant_id, size, self._limits)
        except Full as full:
            raise no_room(full) from full
        self._tenant_id, self._size = tenant_id, size

    def fit(self, size: int) -> None:
        """Hold at least so many; raise `Problem` when there is no room."""
        if self._tenant_id is not None and size > self._size:
            try:
                self._in_flight.grow(self._tenant_id, size - self._size, self._limits)
            except Full as full:
                raise no_room(full) from full
            self._size = size

    def leave(self) -> None:
        """Hold nothing any more."""
        if self._tenant_id is not None:
            self._in_flight.leave(self._tenant_id, self._size)
            self._tenant_id = None


def no_room(full: Full) -> Problem:
    """The answer to what finds no room."""
    return refused(str(full)) if full.shared else Problem(429, "too_much_at_once", str(full), 1)


class Expectation:
    """Told how much is in a request before it is decoded; raises `Problem` when it is too much, or beyond the quota.

    `wait_s` says at a time how long the tenant has to wait for so many tokens.
    """

    __slots__ = ("_limit", "_wait_s")

    def __init__(self, wait_s: Callable[[float, int], float], limit: int) -> None:
        self._wait_s = wait_s
        self._limit = limit

    def __call__(self, items: int) -> None:
        """It has so many, as far as they have been counted."""
        if items > self._limit:
            raise Problem(413, "too_many_items", f"items: at most {self._limit} points or events a request")
        wait_s = self._wait_s(monotonic_s(), items)
        if wait_s > 0:
            raise over_quota(wait_s)


def over_quota(wait_s: float) -> Problem:
    """The tenant has sent what it may, and more in so many seconds."""
    return Problem(429, "rate_limited", "over the tenant's points and events a second", ceil(wait_s))
