"""What time it is by the broker's clock, from the append times in its answers, in the manner of NTP (RFC 5905).

A message is appended between its sending and its ack: halfway, give or take half of the round trip. Both are read off
the monotonic clock, so that setting the wall clock changes no estimate. Seconds, but for times of the broker, which
are milliseconds UTC. Invariant: an estimate is off by half of its round trip at most, and 1 ms.
"""

from collections import deque
from typing import NamedTuple

KEPT = 8
"""Round trips that are kept, one a second: the size of NTP's clock filter. When the broker's clock is set, the estimate
follows within as many seconds."""


class RoundTrip(NamedTuple):
    """One message to the broker and its ack."""

    sent_s: float
    """Monotonic."""
    acked_s: float
    """Monotonic."""
    appended_at_ms: int
    """The broker's clock in between, cut to whole milliseconds."""

    @property
    def span_s(self) -> float:
        """How long it took."""
        return self.acked_s - self.sent_s


def broker_ms(trip: RoundTrip, at_s: float) -> float:
    """The broker's clock at a monotonic instant, as far as one round trip tells."""
    halfway_s = (trip.sent_s + trip.acked_s) / 2
    return trip.appended_at_ms + 0.5 + (at_s - halfway_s) * 1000


class RoundTrips:
    """The shortest round trip of each of the last seconds in which there was one."""

    def __init__(self) -> None:
        self._kept: deque[RoundTrip] = deque(maxlen=KEPT)
        self.shortest: RoundTrip | None = None
        """The one to go by: a long one may have waited on one way only."""

    def add(self, trip: RoundTrip) -> None:
        """Take one in."""
        kept = self._kept
        if kept and int(kept[-1].acked_s) == int(trip.acked_s):
            if kept[-1].span_s <= trip.span_s:
                return
            kept.pop()
        kept.append(trip)
        self.shortest = min(kept, key=lambda one: one.span_s)
