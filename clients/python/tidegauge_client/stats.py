"""The counts of all items that were handed over, by what became of them.

Invariant: queued + sent + rejected + dropped is the number of items handed over and recovered, at every moment.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

QUEUE_FULL = "queue_full"
"""Reason: the queue was full, and the oldest items were dropped."""

TOO_OLD = "too_old"
"""Reason: the gateway did not take it within `max_age_s`."""

TOO_LARGE = "too_large"
"""Reason: a single item larger than a request may be."""

REFUSED = "refused"
"""Reason: the gateway refused the whole batch, for its key say."""

IN_DOUBT = "in_doubt"
"""Reason: sent without an answer, so long ago that the gateway would count it again if it has it."""

SPOOL_FULL = "spool_full"
"""Reason: the spool was full, and the oldest batches were dropped."""

DAMAGED = "damaged"
"""Reason: its file in the spool cannot be read; it is set aside."""

CLOSED = "closed"
"""Reason: still waiting when the client was closed, or handed over afterwards."""


@dataclass
class RunningStats:
    """Running counts of one signal."""

    sent: int = 0
    rejected: int = 0
    retries: int = 0
    recovered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Stats:
    """Points and events by what became of them."""

    queued: int = 0
    """Waiting or being sent."""
    sent: int = 0
    """Accepted by the gateway."""
    rejected: int = 0
    """Single items refused by the gateway."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Dropped by this client, by reason."""
    retries: int = 0
    """Requests that had to be repeated."""
    stored: int = 0
    """Of those that are queued: in files of the spool."""
    recovered: int = 0
    """Found in the spool, where a process that ended has left them."""
    damaged: int = 0
    """Files of the spool that cannot be read and were set aside."""


def total(parts: Iterable[Stats]) -> Stats:
    """The sum of several signals."""
    found = list(parts)
    return Stats(
        queued=sum(part.queued for part in found),
        sent=sum(part.sent for part in found),
        rejected=sum(part.rejected for part in found),
        dropped=dict(sum((Counter(part.dropped) for part in found), Counter())),
        retries=sum(part.retries for part in found),
        stored=sum(part.stored for part in found),
        recovered=sum(part.recovered for part in found),
        damaged=sum(part.damaged for part in found),
    )
