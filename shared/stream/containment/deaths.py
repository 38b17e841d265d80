"""What has ended the workers of a partition, and where the next worker must take care.

Offsets are Kafka's. A death is known by an error that was noted before the process ended, or by a mark that was written
before a record was folded and is still there. Invariant: a process that is ended from outside while it folds no marked
record adds no death.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.stream.containment.breaker import DEATHS, RESTORE, BreakerTrip

MAX_DEATHS = 3
"""Workers that one record may end; then its partition is stopped before it."""

CAREFUL_RECORDS = 1_000
"""Records that are marked after an owner ended without a commit and without a word."""

MARKED_TOGETHER = 32
"""Records of one mark. A process that ends under it leaves so many suspects, which the next owner marks one by one."""

SILENT = "the process ended without an error while it folded these records"
"""What is known of a death that only a mark tells of: no memory, a signal within native code, a loop without end."""


class Death(NamedTuple):
    """What ended workers at one place."""

    offset: int
    """The first record that it may have been."""
    until: int
    """The offset behind the last; equal to `offset`: the checkpoint there could not be restored."""
    deaths: int
    """How many workers it ended."""
    error: str
    """What the last of them said."""

    def is_of(self, offset: int) -> bool:
        """Whether it can only have been this record."""
        return (self.offset, self.until) == (offset, offset + 1)


class Suspects:
    """The deaths of one partition beyond its checkpoint."""

    def __init__(self, next_offset: int = 0, deaths: Sequence[Death] = (), attempts: int = 0) -> None:
        """`attempts` are the owners since the last commit, the present one included."""
        self._restoring = {each.offset: each for each in deaths if each.until == each.offset}
        self._records = [each for each in deaths if each.until > each.offset >= next_offset]
        self._next_offset = next_offset
        careful = attempts - 1 > sum(each.deaths for each in deaths)
        self._careful_until = next_offset + CAREFUL_RECORDS if careful else next_offset

    @property
    def restoring(self) -> Death | None:
        """What restoring the checkpoint has ended; None: nothing."""
        return self._restoring.get(self._next_offset)

    def at(self, offset: int) -> Death | None:
        """The deaths that this record may have caused; of several places the narrowest one."""
        found = [each for each in self._records if each.offset <= offset < each.until]
        return min(found, key=lambda each: each.until - each.offset, default=None)

    def deaths_at(self, offset: int) -> int:
        """How many workers this record may have ended."""
        return max((each.deaths for each in self._records if each.offset <= offset < each.until), default=0)

    def is_culprit(self, offset: int) -> bool:
        """Whether this record, and no other, has ended as many workers as may be."""
        death = self.at(offset)
        return death is not None and death.is_of(offset) and death.deaths >= MAX_DEATHS

    def need_care(self, first: int, last: int) -> bool:
        """Whether one of these records, both included, is folded under a mark."""
        return first < self._careful_until or any(
            first < each.until and each.offset <= last for each in self._records
        )

    def needs_mark(self, offset: int) -> bool:
        """Whether this record may end the process before it can say so."""
        death = self.at(offset)
        told = death is not None and (death.is_of(offset) or death.error == SILENT)
        return told or offset < self._careful_until

    def next_death(self, offset: int, until: int, error: str) -> Death:
        """One more death at these records."""
        return Death(offset, until, self.deaths_at(offset) + 1, error)


def ended(suspects: Suspects, offset: int, kind: str = DEATHS) -> BreakerTrip:
    """The trip of a partition whose next record, or checkpoint, has ended too many workers."""
    death = suspects.restoring if kind == RESTORE else suspects.at(offset)
    if death is None:
        raise ValueError("nothing has ended a worker there")
    what = "its checkpoint" if kind == RESTORE else f"the record at {offset}"
    return BreakerTrip(
        offset, f"{what} has ended {death.deaths} workers; the last one said: {death.error}", kind
    )
