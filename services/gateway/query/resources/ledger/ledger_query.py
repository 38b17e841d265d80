"""The ledger of a tenant: what became of what it sent, by the minute in which the broker appended it.

Times are milliseconds UTC. An answer covers whole minutes, and the difference is given for each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import Rejected
from shared.ledger.accounts import SIGNALS, Account
from shared.ledger.entries import MINUTE_MS, minute_of

MAX_RANGE_MS = 24 * 3600 * 1000
"""Longest range of one statement."""


@dataclass(frozen=True, slots=True)
class TenantLedger:
    """Accounts of minutes, in their order."""

    minutes: Mapping[int, Account]
    """By start of the minute; those in which nothing came are left out."""
    complete_until_ms: int | None
    """All of the log that was received before this is in, but for what waited in a producer; None: not known."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """Whole minutes."""

    from_ms: int
    to_ms: int


def minutes_of(from_ms: int, to_ms: int) -> Minutes:
    """The whole minutes that a range touches; raise `Rejected` unless it is a range and short enough."""
    if from_ms >= to_ms:
        raise Rejected("invalid_range", "from: must be before to")
    if to_ms - from_ms > MAX_RANGE_MS:
        raise Rejected("invalid_range", "from: the range must be at most 24 hours")
    return Minutes(minute_of(from_ms), minute_of(to_ms + MINUTE_MS - 1))


def signal_of(text: str) -> str:
    """What a statement is asked about; raise `Rejected` for another word."""
    if text not in SIGNALS:
        raise Rejected("invalid_signal", f"signal: must be one of {', '.join(SIGNALS)}")
    return text
