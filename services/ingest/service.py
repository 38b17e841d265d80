"""One partition of events, from a record to what is new in it: the order of the steps. Milliseconds UTC.

The service gathers records, looks their ids up and judges them; then the adapters store what is new and publish what is
derived. Invariant: a verdict is kept with its checkpoint, so publishing a checkpoint again publishes the same.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from services.ingest.domain.dedup import E, Id, ids_of, new_ones, oldest_day
from services.ingest.domain.ledger import outcomes
from services.ingest.ports import Memory
from shared.ledger.entries import Entry, Ledger, Line, minute_of


@dataclass(frozen=True, slots=True)
class Arrival(Generic[E]):
    """One record of the log."""

    offset: int
    """Its place in the partition."""
    appended_at_ms: int
    """When the broker appended it: the time of all that is decided here."""
    events: Sequence[E]
    """Its events, repeats included."""
    entries: Sequence[Line] | None = None
    """What its gateway let in and refused; None: it does not say."""
    refused: Sequence[Line] = ()
    """How many of its events may not count, by tenant and reason."""


@dataclass(slots=True, eq=False)
class EventWork(Generic[E]):
    """What a partition has gathered since its previous checkpoint."""

    arrivals: list[Arrival[E]]
    """In the order of the log."""
    new: list[list[E]] | None = None
    """The events of each arrival that are not repeats; None: not judged yet."""

    def verdicts(self) -> Iterator[tuple[Arrival[E], list[E]]]:
        """Each arrival with its new events."""
        if self.new is None:
            raise RuntimeError("a checkpoint is judged before anything is made of it")
        return zip(self.arrivals, self.new, strict=True)

    def judged(self) -> Iterator[tuple[Arrival[E], list[E]]]:
        """Each arrival that has new events, with these."""
        return (pair for pair in self.verdicts() if pair[1])


@dataclass(slots=True, eq=False)
class PartitionIntake(Generic[E]):
    """The records of one partition that wait for a commit; there is no other state."""

    waiting_bytes: int = 0
    """Approximate memory that the next checkpoint frees."""
    arrivals: list[Arrival[E]] = field(default_factory=list)

    def take(self, arrival: Arrival[E], size_bytes: int) -> None:
        """Gather one record."""
        self.arrivals.append(arrival)
        self.waiting_bytes += size_bytes

    def checkpoint(self) -> EventWork[E]:
        """Hand over what was gathered."""
        work = EventWork(self.arrivals)
        self.arrivals, self.waiting_bytes = [], 0
        return work


async def judge(works: Sequence[EventWork[E]], memory: Memory) -> None:
    """Judge what is not judged yet. Raises `Unavailable`; then nothing was judged."""
    waiting = [work for work in works if work.new is None]
    arrivals = [arrival for work in waiting for arrival in work.arrivals]
    ids = [one for arrival in arrivals for one in ids_of(arrival.events)]
    known: Mapping[Id, int] = {}
    if ids:
        known = await memory.known(ids, oldest_day(min(arrival.appended_at_ms for arrival in arrivals)))
    earlier = {one for work in works for new in work.new or () for one in ids_of(new)}
    for work in waiting:
        work.new = [new_ones(a.events, known, a.appended_at_ms, earlier) for a in work.arrivals]


def ledger_entries(work: EventWork[E], taken: Collection[Id]) -> Counter[Entry]:
    """The ledger entries of a judged checkpoint, given the `taken` ids that others have stored meanwhile."""
    ledger = Ledger()
    for arrival, new in work.verdicts():
        if arrival.entries is not None:
            minute_ms = minute_of(arrival.appended_at_ms)
            ledger.add(minute_ms, arrival.entries)
            ledger.add(minute_ms, arrival.refused)
            ledger.add(minute_ms, outcomes(arrival.events, new, taken))
    return ledger.take()
