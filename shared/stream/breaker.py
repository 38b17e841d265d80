"""The breaker: stops a partition in which too many messages are bad, before a wrong deployment buries the stream.

Offsets are Kafka's; a partition has no holes, so they count messages. Bad is a message that became a dead letter. The
law: whether it has tripped follows from the place in the log, the dead letters before it and the offset that an
operator let through; nothing else is remembered, so a restart neither forgets nor changes its mind.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

WINDOW = 1_000
"""Messages that are looked back on; fewer say nothing about a share."""

MAX_BAD = 10
"""Most of them that may be bad: 1 %."""

MAX_ROW = 100
"""Bad messages in a row that trip it, be they the first ones."""


BY_ITSELF = "then the partition goes on by itself"
"""How the reason ends where there is nothing that an operator could resume: the version is unknown."""


class BreakerTrip(NamedTuple):
    """That a partition is stopped."""

    offset: int
    """The next message, which is not taken."""
    reason: str
    """Which limit was reached."""


class Breaker:
    """What one partition has seen of bad messages, as of the place it stands at."""

    __slots__ = ("_bad", "since", "trip")

    def __init__(self, offset: int, since: int = 0, bad: Iterable[int] = ()) -> None:
        """Stand at `offset`; `bad` are the bad ones before it, ascending; what lies before `since` is let through."""
        self.since = since
        """Messages below this offset are let through: they count for nothing."""
        self._bad = deque(one for one in bad if max(since, offset - WINDOW) <= one < offset)
        self.trip: BreakerTrip | None = None
        """Set when it has tripped."""
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
