"""A partition this process owns: where it stands, what it has folded and what it could not use.

Offsets are Kafka's. Invariant: a record that is refused leaves nothing but a dead letter, one of an unknown version
leaves nothing, and a partition that is stopped takes no record more.
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
"""What a dead letter weighs besides its record."""

_log = structlog.get_logger(__name__)

F = TypeVar("F")


def readable(keys: Iterable[Key], restored: Callable[[Key], F]) -> dict[Key, F | UnknownVersion]:
    """What each partition restores to, or that only another build can read what is stored of it."""
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
    """None: only another build can read what is stored of it."""
    start: int
    """Where the checkpoint in Postgres stands."""
    next: int
    """The next offset to fold."""
    breaker: Breaker
    """Stops it when too much is bad."""
    dead: list[DeadLetter] = field(default_factory=list)
    dead_bytes: int = 0
    """Roughly what those weigh."""
    unread: BreakerTrip | None = None
    """Set when what comes next, or what is stored, is of a version that only another build reads."""
    cut: Cut[W] | None = None
    """Taken but not known to be committed; it is committed before anything newer."""

    @property
    def waiting_bytes(self) -> int:
        """Roughly the memory that only a commit frees."""
        return (self.fold.waiting_bytes if self.fold else 0) + self.dead_bytes

    @property
    def urgent(self) -> bool:
        """Whether something waits that should be committed soon."""
        return self.is_stopped() or (self.fold is not None and self.fold.urgent)

    @property
    def trip(self) -> BreakerTrip | None:
        """Why no record may be taken; None: they may."""
        return self.unread or self.breaker.trip

    def is_stopped(self) -> bool:
        """Whether no record may be taken."""
        return self.trip is not None

    def take(self, record: Record) -> None:
        """Fold the record that comes next, or record a dead letter; or stop before one that another build reads."""
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
        """What was folded since the previous one, until that is known to be committed."""
        if self.cut is None:
            if self.fold is None:
                raise ValueError("a partition without a fold commits nothing")
            self.cut = Cut(self.key, self.epoch, self.start, self.next, self.fold.checkpoint(), self.dead)
            self.dead, self.dead_bytes = [], 0
        return self.cut

    def say_stopped(self) -> None:
        """Say that it is stopped, if it is, and what to do."""
        if trip := self.trip:
            where = self.key._asdict()
            do = _UPGRADE if self.unread else _WHAT_TO_DO.format(**where)
            _log.error("partition stopped", **where, **trip._asdict(), do=do)

    def resume(self, offset: int) -> None:
        """Go on, and count bad records below this offset as nothing."""
        self.breaker = Breaker(self.next, offset)
        _log.info("partition resumed", **self.key._asdict(), offset=self.next, resume_offset=offset)


def owned_from(key: Key, at: Stored, fold: Fold[W] | UnknownVersion) -> OwnedPartition[W]:
    """A partition as its checkpoint left it; it is stopped where only another build can read that."""
    breaker = Breaker(at.next_offset, at.resume_offset, at.bad)
    if isinstance(fold, UnknownVersion):
        unread = stop(at.next_offset, fold)
        return OwnedPartition(key, at.epoch, None, at.next_offset, at.next_offset, breaker, unread=unread)
    return OwnedPartition(key, at.epoch, fold, at.next_offset, at.next_offset, breaker)


def stop(offset: int, unknown: UnknownVersion) -> BreakerTrip:
    """That a partition waits for another build."""
    return BreakerTrip(offset, f"{unknown}, {BY_ITSELF}")


def check_bounds(owned: OwnedPartition[Any], earliest: int, end: int) -> int:
    """The offset to seek to; records that retention has taken are gone for good, and that is said loudly.

    Raises `Misconfigured` when the checkpoint lies past the end: the topic is not the one it was written for.
    """
    if owned.start > end:
        raise Misconfigured(
            f"{owned.key.topic}[{owned.key.partition}] ends at {end}, but its checkpoint is {owned.start}: the topic "
            "was made anew. Restore it, or delete its rows from partition_state, dead_letter and breaker to start anew"
        )
    # One that is stopped stays where it is: its verdict hangs on that, and it reports the gap once it is resumed.
    if owned.start < earliest and not owned.is_stopped():
        reason = f"records {owned.start} to {earliest - 1} were removed by retention before they were read"
        owned.dead.append(DeadLetter(owned.start, RETENTION_GAP, reason, None))
        _log.error(
            "data lost to retention", topic=owned.key.topic, partition=owned.key.partition, reason=reason
        )
        owned.next = earliest
    return owned.next
