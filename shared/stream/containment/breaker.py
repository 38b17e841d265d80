"""The breaker: it stops a producer whose messages are bad beyond the limits, and a partition in which all are.

Offsets are Kafka's, and a message is bad when it became a dead letter. Invariant: whether a producer or a partition is
stopped follows from the offset, the dead letters before it and the offset that an operator resumed from, so a restart
changes nothing.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from shared.errors import UnknownVersion

WINDOW = 1_000
"""Number of latest messages of a partition that a breaker looks at."""

MAX_BAD = 10
"""Largest number of bad messages of one producer among them: 1 %."""

MAX_EARLY = 100
"""The same before a partition has had so many messages."""

NOBODY_KNOWN = ""
"""The producer of a message that does not say it: it is never stopped, for it may be anybody."""


BY_ITSELF = "then the partition goes on by itself"
"""End of the reason when the version is unknown: then an operator has nothing to resume."""


BAD_MESSAGES, UNKNOWN_VERSION, UNKNOWN_STATE = "bad_messages", "unknown_version", "unknown_state"
"""Why a partition is stopped: too many messages are bad; another build reads the next one, or the stored state."""

DEATHS, RESTORE = "deaths", "restore"
"""The same: the next record, or restoring the checkpoint, has ended too many workers."""

ANOTHER_LOG = "another_log"
"""The same: the log is not the one that the checkpoint was written for."""


_WAITS = "upgrade this service, or let the build that wrote it read it first: docs/OPERATIONS.md, versions of formats"

_REMEDIES = {
    BAD_MESSAGES: "nobody sends what this service can use: see `tidegauge dead-letters list`; mend or upgrade it, then "
    "`tidegauge partitions resume {0} {1}`",
    UNKNOWN_VERSION: _WAITS + "; nothing is skipped, and nothing needs to be resumed",
    UNKNOWN_STATE: _WAITS + "; nothing is skipped, and nothing needs to be resumed",
    DEATHS: "mend or upgrade this service, then `tidegauge partitions resume {0} {1}`; or make the record a dead "
    "letter: `tidegauge partitions skip {0} {1}`",
    ANOTHER_LOG: "`tidegauge topics accept {0}` goes on with the log as it is: docs/OPERATIONS.md, another log",
    RESTORE: "mend or upgrade this service, or restore Postgres from a backup, then "
    "`tidegauge partitions resume {0} {1}`; "
    "last of all `tidegauge partitions reset {0} {1} --to OFFSET --without-state`",
}


def remedy(kind: str, topic: str, partition: int) -> str:
    """What an operator does about a stopped partition, by the kind of its trip."""
    return _REMEDIES[kind].format(topic, partition)


class BreakerTrip(NamedTuple):
    """Where and why a partition is stopped."""

    offset: int
    """The first message that is not consumed."""
    reason: str
    """Which limit was reached, or what happened there."""
    kind: str = BAD_MESSAGES
    """Which of the six it is: what an operator can do depends on it."""


class BadMessage(NamedTuple):
    """A message that became a dead letter."""

    offset: int
    producer: str = NOBODY_KNOWN
    own: bool = True
    """Whether it was bad by itself; False: its producer was stopped."""


def unreadable(offset: int, unknown: UnknownVersion, kind: str) -> BreakerTrip:
    """The trip of a partition that waits for another build."""
    return BreakerTrip(offset, f"{unknown}, {BY_ITSELF}", kind)


class Breaker:
    """The bad messages of one partition before its current offset."""

    __slots__ = ("_bad", "_own", "since", "trip")

    def __init__(self, offset: int, since: int = 0, bad: Iterable[BadMessage] = ()) -> None:
        """Start at `offset`; `bad` are those before it, ascending; those below `since` do not count."""
        self.since = since
        """Bad messages below this offset do not count."""
        self._bad = deque(one for one in bad if max(since, offset - WINDOW) <= one.offset < offset)
        self._own = Counter(one.producer for one in self._bad if one.own)
        self.trip: BreakerTrip | None = None
        """Set once the partition is stopped."""
        self._judge(offset)

    @property
    def suspicious(self) -> bool:
        """Whether any producer may be stopped: only then needs a message be asked for its own."""
        return any(bad > MAX_BAD for producer, bad in self._own.items() if producer)

    def refusal(self, producer: str, offset: int) -> str | None:
        """Why the message of this producer at this offset is not folded; None: it is."""
        self._forget(offset)
        bad = self._own[producer] if producer else 0
        if bad >= MAX_EARLY or (bad > MAX_BAD and offset - self.since >= WINDOW):
            return f"{producer} is stopped: {bad} of the last {WINDOW:,} messages were bad ones of it"
        return None

    def good(self, offset: int) -> None:
        """A message was folded."""
        if self._bad:
            self._forget(offset + 1)

    def bad(self, offset: int, producer: str = NOBODY_KNOWN, *, own: bool = True) -> None:
        """A message became a dead letter."""
        if offset >= self.since:
            self._bad.append(BadMessage(offset, producer, own))
            self._own[producer] += own
            self._judge(offset + 1)

    def _forget(self, offset: int) -> None:
        bad = self._bad
        while bad and bad[0].offset < offset - WINDOW:
            gone = bad.popleft()
            self._own[gone.producer] -= gone.own
            if not self._own[gone.producer]:
                del self._own[gone.producer]

    def _judge(self, offset: int) -> None:
        self._forget(offset)
        if len(self._bad) >= WINDOW:
            self.trip = BreakerTrip(offset, f"all of the last {WINDOW:,} messages were bad")
