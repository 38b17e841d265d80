"""Accounts: what became of what a tenant sent in some span of time, and whether that closes.

Counts are rows for points and events for events, by outcome.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.ledger.entries import (
    CAME_IN,
    CONFLICT,
    COUNTED,
    DEAD_LETTERED,
    DERIVED,
    DUPLICATE,
    RECEIVED,
    REJECTED,
    STALE_TOTAL,
)

PLAIN = (RECEIVED, DERIVED, COUNTED, DUPLICATE, CONFLICT, STALE_TOTAL)
"""Outcomes without a code, in the order in which they are shown."""

CODED = (REJECTED, DEAD_LETTERED)
"""Outcomes with a code."""

SIGNALS = ("points", "events")
"""What accounts are kept of."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of what a tenant sent in some span of time."""

    counts: Mapping[str, int]
    """By outcome, with its code where it has one."""

    def of(self, outcome: str) -> int:
        """How many had this outcome, which has no code."""
        return self.counts.get(outcome, 0)

    def by_code(self, outcome: str) -> dict[str, int]:
        """How many had this outcome, by code."""
        parts = ((name.partition(":"), count) for name, count in self.counts.items())
        return {code: count for (found, _, code), count in parts if found == outcome and code}

    @property
    def difference(self) -> int:
        """What came in less what became of it: 0, or something is wrong."""
        return sum(count if name in CAME_IN else -count for name, count in self.counts.items())


def total(accounts: Iterable[Account]) -> Account:
    """All of them together."""
    counts: Counter[str] = Counter()
    for account in accounts:
        counts.update(account.counts)
    return Account(counts)


def shown(account: Account) -> dict[str, object]:
    """The account as people and programs read it: every outcome, those with codes by code, and the difference."""
    plain = {outcome: account.of(outcome) for outcome in PLAIN}
    coded = {outcome: account.by_code(outcome) for outcome in CODED}
    return {**plain, **coded, "difference": account.difference}
