"""Entries of the ledger: what became of everything that was received, by tenant, minute of receive and outcome.

Counts are rows for points (a histogram is a row for each bucket, a refused point is one) and events for events; a
minute begins at a multiple of 60,000 ms UTC.

Invariant: at each commit, what came in equals what became of it in every minute of every tenant, but for lost messages.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

MINUTE_MS = 60_000
"""Length of a minute of the ledger."""

RECEIVED, DERIVED = "received", "derived"
"""How something came in: from a client, counted where it was admitted or refused; or made by Tidegauge itself."""

COUNTED, DUPLICATE, CONFLICT = "counted", "duplicate", "conflict"
"""What became of it: in the tables; a repeat; a repeat with another body."""

STALE_TOTAL, CONTESTED_TOTAL = "stale_total", "contested_total"
"""Or a running total that counts nothing: it came too late; several writers send its series."""

REJECTED, DEAD_LETTERED = "rejected", "dead_lettered"
"""The same, with a code behind a colon: refused at the gateway; in a message that could not be used."""

LOST = "lost"
"""What became of whole messages that vanished between their producer and the worker, or from the log before they were
read. The unit is the message: nobody knows what it held."""

NOBODY = 0
"""The tenant of what was lost; real ones are numbered from 1. The account of every tenant shows it."""

CAME_IN = frozenset({RECEIVED, DERIVED})
"""The left side of the equation; every other outcome is on the right."""


class Line(NamedTuple):
    """A count of a tenant's points or events with one outcome."""

    tenant_id: int
    outcome: str
    number: int


class Entry(NamedTuple):
    """The key of a count in the ledger."""

    minute_ms: int
    tenant_id: int
    outcome: str


def coded(outcome: str, code: str) -> str:
    """An outcome with its code."""
    return f"{outcome}:{code}"


def minute_of(ms: int) -> int:
    """Start of the minute that an instant lies in."""
    return ms - ms % MINUTE_MS


def unsettled(lines: Iterable[Line]) -> dict[int, int]:
    """The count that came in without an outcome, by tenant; tenants without such a count are left out."""
    found: Counter[int] = Counter()
    for line in lines:
        found[line.tenant_id] += line.number if line.outcome in CAME_IN else -line.number
    return {tenant_id: count for tenant_id, count in found.items() if count}


def dead_lettered(lines: Iterable[Line], code: str) -> list[Line]:
    """The lines of a message that became a dead letter; those without an outcome are counted as dead-lettered."""
    said = list(lines)
    outcome = coded(DEAD_LETTERED, code)
    return [*said, *(Line(tenant_id, outcome, count) for tenant_id, count in unsettled(said).items())]


@dataclass(slots=True, eq=False)
class Ledger:
    """Counts that wait for a commit."""

    counts: Counter[Entry] = field(default_factory=Counter)

    def add(self, minute_ms: int, lines: Iterable[Line]) -> None:
        """Add these lines to a minute."""
        for tenant_id, outcome, number in lines:
            self.counts[Entry(minute_ms, tenant_id, outcome)] += number

    def take(self) -> Counter[Entry]:
        """Return the counts and start from zero."""
        taken, self.counts = self.counts, Counter()
        return taken
