"""What became of a flush, and hence of each request in it: a partition decides for the rows that it was to hold, alone.

A request whose rows all lie in partitions that acknowledged them was accepted, whatever became of its neighbours.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from services.gateway.intake.ports import Outcome

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Flushed:
    """The end of a flush; without anything said, all partitions have acknowledged it."""

    failed: frozenset[int] = frozenset()
    """Partitions without an acknowledgement: what was sent there may be in the log or not."""
    returned: frozenset[int] = frozenset()
    """`id` of the batches of which nothing was produced."""
    produced: bool = True
    """Whether anything was."""

    def outcome(self, batch: C, partitions_of: Callable[[C], Collection[int]]) -> Outcome:
        """What became of one of its batches, given the partitions that hold its rows."""
        if not self.produced or id(batch) in self.returned:
            return Outcome.NOT_ACCEPTED
        if self.failed and not self.failed.isdisjoint(partitions_of(batch)):
            return Outcome.UNKNOWN
        return Outcome.ACCEPTED


NOTHING_PRODUCED = Flushed(produced=False)
