"""A partition that this process owns: its offset, what it has folded, and its dead letters.

Offsets are Kafka's. Invariant: a refused record leaves only a dead letter, a record of an unknown version leaves
nothing, and a stopped partition takes no more records.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from shared.errors import Misconfigured, Rejected, UnknownVersion
from shared.stream.breaker import BY_ITSELF, Breaker, BreakerTrip
from shared.stream.processor import RETENTION_GAP, Cut, DeadLetter, Fold, Key, Record, Stored, W

_WHAT_TO_DO = (
    "see `tidegauge dead-letters list`; mend what sends them, or upgrade this service; then "
    "`tidegauge dead-letters resume {topic} {partition}`"
)

_UPGRADE = "see docs/OPERATIONS.md, versions of formats; nothing is skipped, and nothing needs to be resumed"

DEAD_LETTER_BYTES = 1_000
"""Memory of a dead letter besides its record."""

_log = structlog.get_logger(__name__)

F = TypeVar("F")


def readable(keys: Iterable[Key], restored: Callable[[Key], F]) -> dict[Key, F | UnknownVersion]:
    """The fold of each partition, or `UnknownVersion` where only another build can read what is stored."""
    found: dict[Key, F | UnknownVersion] = {}
    for key in keys:
        try:
            found[key] = restored(key)
        except UnknownVersion as unknown:
            found[key] = unknown
    return found


@dataclass(slots=True, eq=False)
class OwnedPartition(Generic[W]):
    """A partition this process owns."""

    key: Key
    epoch: int
    fold: Fold[W] | None
    """None: only another build can read what is stored of this partition."""
    start: int
    """The offset of the checkpoint in Postgres."""
    next: int
    """The next offset to fold."""
    breaker: Breaker
    """Stops the partition when too many messages are bad."""
    dead: list[DeadLetter] = field(default_factory=list)
    dead_bytes: int = 0
    """Approximate memory of the dead letters."""
    unread: BreakerTrip | None = None
    """Set when the next record, or the stored state, has a version that only another build reads."""
    cut: Cut[W] | None = None
    """A cut that is not known to be committed; it is committed before anything newer."""

    @property
    def waiting_bytes(self) -> int:
        """Approximate memory that only a commit frees."""
        return (self.fold.waiting_bytes if self.fold else 0) + self.dead_bytes

    @property
    def urgent(self) -> bool:
        """Whether something should be committed soon."""
        return self.is_stopped() or (self.fold is not None and self.fold.urgent)

    @property
    def trip(self) -> BreakerTrip | None:
        """Why the partition is stopped; None: it is not."""
        return self.unread or self.breaker.trip

    def is_stopped(self) -> bool:
        """Whether the partition is stopped."""
        return self.trip is not None

    def take(self, record: Record) -> None:
        """Fold the next record or make it a dead letter; stop before a record that only another build reads."""
        if self.fold is None:
            raise ValueError("a partition without a fold takes nothing")
        try:
            self.fold.fold(record)
        except UnknownVersion as unknown:
            self.unread = stop(record.offset, unknown)
            self.say_stopped()
            return
        except Rejected as refused:
            self.dead.append(
                DeadLetter(record.offset, refused.code, refused.message, record.value, record.appended_at_ms)
            )
            self.dead_bytes += DEAD_LETTER_BYTES + len(record.value or b"")
            _log.warning("dead letter", **self.key._asdict(), offset=record.offset, code=refused.code)
            self.breaker.bad(record.offset)
        else:
            self.breaker.good(record.offset)
        self.next = record.offset + 1
        if self.is_stopped():
            self.say_stopped()

    def checkpoint(self) -> Cut[W]:
        """The cut since the previous commit; the same one again until it is known to be committed."""
        if self.cut is None:
            if self.fold is None:
                raise ValueError("a partition without a fold commits nothing")
            self.cut = Cut(self.key, self.epoch, self.start, self.next, self.fold.checkpoint(), self.dead)
            self.dead, self.dead_bytes = [], 0
        return self.cut

    def say_stopped(self) -> None:
        """Log that the partition is stopped, if it is, and what to do."""
        if trip := self.trip:
            where = self.key._asdict()
            do = _UPGRADE if self.unread else _WHAT_TO_DO.format(**where)
            _log.error("partition stopped", **where, **trip._asdict(), do=do)

    def resume(self, offset: int) -> None:
        """Continue; bad records below this offset do not count."""
        self.breaker = Breaker(self.next, offset)
        _log.info("partition resumed", **self.key._asdict(), offset=self.next, resume_offset=offset)


def owned_from(key: Key, at: Stored, fold: Fold[W] | UnknownVersion) -> OwnedPartition[W]:
    """A partition as its checkpoint left it; it is stopped when only another build can read the checkpoint."""
    breaker = Breaker(at.next_offset, at.resume_offset, at.bad)
    if isinstance(fold, UnknownVersion):
        unread = stop(at.next_offset, fold)
        return OwnedPartition(key, at.epoch, None, at.next_offset, at.next_offset, breaker, unread=unread)
    return OwnedPartition(key, at.epoch, fold, at.next_offset, at.next_offset, breaker)


def stop(offset: int, unknown: UnknownVersion) -> BreakerTrip:
    """The trip of a partition that waits for another build."""
    return BreakerTrip(offset, f"{unknown}, {BY_ITSELF}")


def check_bounds(owned: OwnedPartition[Any], earliest: int, end: int) -> int:
    """The offset to seek to; records that retention has deleted are lost, which is logged as an error.

    Raises `Misconfigured` when the checkpoint lies past the end: the topic is not the one it was written for.
    """
    if owned.start > end:
        raise Misconfigured(
            f"{owned.key.topic}[{owned.key.partition}] ends at {end}, but its checkpoint is {owned.start}: the topic "
            "was made anew. Restore it, or delete its rows from partition_state, dead_letter and breaker to start anew"
        )
    # A stopped partition keeps its offset: its breaker depends on it, and it reports the gap once it is resumed.
    if owned.start < earliest and not owned.is_stopped():
        reason = f"records {owned.start} to {earliest - 1} were removed by retention before they were read"
        owned.dead.append(DeadLetter(owned.start, RETENTION_GAP, reason, None))
        _log.error(
            "data lost to retention", topic=owned.key.topic, partition=owned.key.partition, reason=reason
        )
        owned.next = earliest
    return owned.next
