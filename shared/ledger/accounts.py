"""Accounts: what became of everything that a tenant sent in a span of time, and whether the counts close.

Counts are rows for points and events for events, by outcome; what was lost is counted in messages.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.ledger.entries import (
    CAME_IN,
    CONFLICT,
    CONTESTED_TOTAL,
    COUNTED,
    DEAD_LETTERED,
    DERIVED,
    DUPLICATE,
    LOST,
    RECEIVED,
    REJECTED,
    STALE_TOTAL,
)

PLAIN = (RECEIVED, DERIVED, COUNTED, DUPLICATE, CONFLICT, STALE_TOTAL, CONTESTED_TOTAL, LOST)
"""Outcomes without a code, in the order in which they are shown."""

CODED = (REJECTED, DEAD_LETTERED)
"""Outcomes with a code."""

SIGNALS = ("points", "events")
"""The signals that have accounts."""


@dataclass(frozen=True, slots=True)
class Account:
    """The outcomes of what a tenant sent in a span of time."""

    counts: Mapping[str, int]
    """By outcome, with its code where it has one."""

    def of(self, outcome: str) -> int:
        """The count of an outcome without a code."""
        return self.counts.get(outcome, 0)

    def by_code(self, outcome: str) -> dict[str, int]:
        """The counts of an outcome, by code."""
        parts = ((name.partition(":"), count) for name, count in self.counts.items())
        return {code: count for (found, _, code), count in parts if found == outcome and code}

    @property
    def difference(self) -> int:
        """What came in less what became of it: anything but 0 is an error."""
        return sum(count if name in CAME_IN else -count for name, count in self.counts.items())


def total(accounts: Iterable[Account]) -> Account:
    """The sum of the accounts."""
    counts: Counter[str] = Counter()
    for account in accounts:
        counts.update(account.counts)
    return Account(counts)


def shown(account: Account) -> dict[str, object]:
    """The account as JSON: every outcome, those with codes by code, and the difference."""
    plain = {outcome: account.of(outcome) for outcome in PLAIN}
    coded = {outcome: account.by_code(outcome) for outcome in CODED}
    return {**plain, **coded, "difference": account.difference}
