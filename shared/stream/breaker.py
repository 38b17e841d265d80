"""The breaker: it stops a partition in which too many messages are bad, for example after a faulty deployment.

Offsets are Kafka's, and a message is bad when it became a dead letter. Invariant: whether a breaker has tripped follows
from the offset, the dead letters before it and the offset that an operator resumed from, so a restart changes nothing.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

WINDOW = 1_000
"""Number of latest messages that the share of bad ones is taken of."""

MAX_BAD = 10
"""Largest number of bad messages among them: 1 %."""

MAX_ROW = 100
"""Number of consecutive bad messages that trip the breaker, even at the start of a partition."""


BY_ITSELF = "then the partition goes on by itself"
"""End of the reason when the version is unknown: then an operator has nothing to resume."""


class BreakerTrip(NamedTuple):
    """Where and why a partition is stopped."""

    offset: int
    """The first message that is not consumed."""
    reason: str
    """Which limit was reached."""


class Breaker:
    """The bad messages of one partition before its current offset."""

    __slots__ = ("_bad", "since", "trip")

    def __init__(self, offset: int, since: int = 0, bad: Iterable[int] = ()) -> None:
        """Start at `offset`; `bad` are the bad offsets before it, ascending; those below `since` do not count."""
        self.since = since
        """Bad messages below this offset do not count."""
        self._bad = deque(one for one in bad if max(since, offset - WINDOW) <= one < offset)
        self.trip: BreakerTrip | None = None
        """Set once the breaker has tripped."""
        self._judge(offset)

    def good(self, offset: int) -> None:
        """A message was folded."""
        if self._bad:
            self._judge(offset + 1)

    def bad(self, offset: int) -> None:
        """A message became a dead letter."""
        if offset >= self.since:
            self._bad.append(offset)
            self._judge(offset + 1)

    def _judge(self, offset: int) -> None:
        bad = self._bad
        while bad and bad[0] < offset - WINDOW:
            bad.popleft()
        if len(bad) >= MAX_ROW and bad[-MAX_ROW] == offset - MAX_ROW:
            self.trip = BreakerTrip(offset, f"{MAX_ROW} bad messages in a row")
        elif len(bad) > MAX_BAD and offset - self.since >= WINDOW:
            self.trip = BreakerTrip(offset, f"{len(bad)} of the last {WINDOW:,} messages were bad")
