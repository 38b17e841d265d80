"""A partition that this process owns: its offset, what it has folded, and its dead letters.

Offsets are Kafka's. Invariant: a refused record leaves only a dead letter, a record of an unknown version leaves
nothing, and a stopped partition takes no more records.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from shared.errors import Rejected, UnknownVersion
from shared.runtime.clock import now_ms
from shared.stream.containment.breaker import (
    RESTORE,
    UNKNOWN_STATE,
    UNKNOWN_VERSION,
    Breaker,
    BreakerTrip,
    remedy,
    unreadable,
)
from shared.stream.containment.deaths import Suspects, ended
from shared.stream.log.identity import LastRecord, LogIdentity, checksum
from shared.stream.processor import (
    PRODUCER_STOPPED,
    RETENTION_GAP,
    SKIPPED,
    Cut,
    DeadLetter,
    Fold,
    Key,
    Record,
    Stored,
    W,
)
from shared.wire.ledger_entries import producer_of

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
    """None: what is stored of this partition cannot be restored by this build."""
    start: int
    """The offset of the checkpoint in Postgres."""
    next: int
    """The next offset to fold."""
    breaker: Breaker
    """Stops the partition when too many messages are bad."""
    suspects: Suspects = field(default_factory=Suspects)
    """What ended workers here before."""
    skips: frozenset[int] = frozenset()
    """Records that an operator makes dead letters."""
    dead: list[DeadLetter] = field(default_factory=list)
    dead_bytes: int = 0
    """Approximate memory of the dead letters."""
    barrier: BreakerTrip | None = None
    """Set when the next record, or the stored state, cannot be used here: it is of a version that only another build
    reads, or it has ended too many workers."""
    cut: Cut[W] | None = None
    """A cut that is not known to be committed; it is committed before anything newer."""
    said_stopped: set[str] = field(default_factory=set)
    """Producers that are stopped, and were logged."""
    mark: tuple[int, int] | None = None
    """The records that are marked and not cleared yet, from one offset up to another."""
    log: LogIdentity | None = None
    """The log that is read; None until it was compared."""
    end: int = 0
    """Where the log ended when it was compared last."""
    base: int = 0
    """Offset here minus offset in Kafka."""
    leader_epoch: int | None = None
    """How often the leader of the partition had changed when the log was compared."""
    reread: bool = False
    """Set when it has another leader: what is not committed has to be read again."""
    other_log: BreakerTrip | None = None
    """Set when the log is not the one of the checkpoint: nothing is taken and nothing is committed."""
    stored_last: LastRecord | None = None
    """The last record that the checkpoint knows."""
    _record: Record | None = None
    """The newest record that was folded."""
    _parked: int | None = None
    """Offset in Kafka where a stopped partition waits, because the log does not hold what it stands at."""
    _moved: bool = False
    """Whether the consumer has to be told of a new position."""

    @property
    def last(self) -> LastRecord | None:
        """The last record that was folded, by this owner or one before it."""
        record = self._record
        if record is None:
            return self.stored_last
        return LastRecord(record.offset, record.appended_at_ms, checksum(record.value))

    @property
    def position(self) -> int:
        """Offset in Kafka that is to be fetched next."""
        return self.next - self.base if self._parked is None else self._parked

    @property
    def waiting_bytes(self) -> int:
        """Approximate memory that only a commit frees; what is never committed must not hold up the others."""
        if self.other_log is not None or self.reread:
            return 0
        return (self.fold.waiting_bytes if self.fold else 0) + self.dead_bytes

    @property
    def urgent(self) -> bool:
        """Whether something should be committed soon."""
        return self.is_stopped() or (self.fold is not None and self.fold.urgent)

    @property
    def has_work(self) -> bool:
        """Whether there is something to commit."""
        return self.other_log is None and not self.reread and (self.cut is not None or self.next > self.start)

    @property
    def trip(self) -> BreakerTrip | None:
        """Why the partition is stopped; None: it is not."""
        return self.other_log or self.barrier or self.breaker.trip

    def is_stopped(self) -> bool:
        """Whether the partition is stopped."""
        return self.trip is not None

    def take(self, record: Record) -> None:
        """Fold the next record or make it a dead letter; stop before a record that this build cannot use."""
        if self.suspects.is_culprit(record.offset) and record.offset not in self.skips:
            self._stop(ended(self.suspects, record.offset))
            return
        try:
            self._fold(record)
        except UnknownVersion as unknown:
            self._stop(unreadable(record.offset, unknown, UNKNOWN_VERSION))
            return
        except Rejected as refused:
            self._refuse(record, refused)
        else:
            self.breaker.good(record.offset)
        self.next, self._record = record.offset + 1, record
        if self.is_stopped():
            self.say_stopped()

    def _fold(self, record: Record) -> None:
        if self.fold is None:
            raise ValueError("a partition without a fold takes nothing")
        refused = None
        if record.offset in self.skips:
            refused = Rejected(SKIPPED, "an operator skipped it")
        elif stopped := self._stopped_producer(record):
            refused = Rejected(PRODUCER_STOPPED, stopped)
        if refused is not None:
            self.fold.pass_over(record)
            raise refused
        self.fold.fold(record)

    def is_refused(self, offset: int) -> bool:
        """Whether this record is not folded, whatever it is."""
        return offset in self.skips or self.suspects.is_culprit(offset)

    def _stopped_producer(self, record: Record) -> str | None:
        """Why the producer of this record is stopped; None: it is not."""
        if not self.breaker.suspicious:
            self.said_stopped.clear()
            return None
        producer = producer_of(record.value)
        stopped = self.breaker.refusal(producer, record.offset)
        if stopped is None:
            self.said_stopped.discard(producer)
        elif producer not in self.said_stopped:
            self.said_stopped.add(producer)
            _log.error("producer stopped", **self.key._asdict(), offset=record.offset, reason=stopped)
        return stopped

    def _refuse(self, record: Record, refused: Rejected) -> None:
        producer = producer_of(record.value)
        reason = refused.message
        if producer and producer not in reason:
            reason += f"; sent by {producer}"
        self.dead.append(
            DeadLetter(
                record.offset, refused.code, reason, record.value, record.appended_at_ms, producer=producer
            )
        )
        self.dead_bytes += DEAD_LETTER_BYTES + len(record.value or b"")
        own = refused.code != PRODUCER_STOPPED
        if own:
            where = self.key._asdict()
            _log.warning("dead letter", **where, offset=record.offset, code=refused.code, producer=producer)
        if refused.code != SKIPPED:
            self.breaker.bad(record.offset, producer, own=own)

    def _stop(self, trip: BreakerTrip) -> None:
        self.barrier = trip
        self.say_stopped()

    def checkpoint(self) -> Cut[W]:
        """The cut since the previous commit; the same one again until it is known to be committed."""
        if self.cut is None:
            if self.fold is None:
                raise ValueError("a partition without a fold commits nothing")
            work = self.fold.checkpoint()
            self.cut = Cut(
                self.key, self.epoch, self.start, self.next, work, self.dead, log=self.log, last=self.last
            )
            self.dead, self.dead_bytes = [], 0
        return self.cut

    def say_stopped(self) -> None:
        """Log that the partition is stopped, if it is, and what to do."""
        if trip := self.trip:
            where = self.key._asdict()
            _log.error("partition stopped", **where, **trip._asdict(), do=remedy(trip.kind, *self.key))

    def resume(self, offset: int, skips: frozenset[int] = frozenset()) -> None:
        """Continue; bad records below this offset do not count, and these are skipped."""
        self.breaker = Breaker(self.next, offset)
        self.barrier, self.suspects, self.skips, self._parked = None, Suspects(self.next), skips, None
        _log.info("partition resumed", **self.key._asdict(), offset=self.next, resume_offset=offset)

    def stop_for_log(self, trip: BreakerTrip, end: int | None) -> None:
        """Stop because the log is another one, which ends at `end` in Kafka; what is not committed is not counted."""
        self.other_log, self._parked, self._moved = trip, end, True
        self.say_stopped()

    def wait_at(self, end: int) -> None:
        """Fetch nothing below `end`, an offset in Kafka: the log does not hold what a stopped partition stands at."""
        self._parked = end

    def pass_gap(self, earliest: int) -> None:
        """Go on at `earliest` if the next record is gone: what retention has deleted is lost, logged as an error."""
        if self.next >= earliest:
            return
        self._moved = True
        # A stopped partition keeps its offset: its breaker depends on it, and it reports the gap once it is resumed.
        if self.is_stopped():
            self._parked = earliest - self.base
            return
        if self.fold is not None:
            self.fold.pass_gap()
        reason = f"records {self.next} to {earliest - 1} were removed by retention before they were read"
        self.dead.append(DeadLetter(self.next, RETENTION_GAP, reason, None, now_ms(), earliest - self.next))
        _log.error("data lost to retention", **self.key._asdict(), reason=reason)
        self.next = earliest

    def moved(self) -> bool:
        """Whether its position was changed by anything but a record since the last call."""
        moved, self._moved = self._moved, False
        return moved


def owned_from(key: Key, at: Stored, fold: Fold[W] | UnknownVersion | None) -> OwnedPartition[W]:
    """A partition as its checkpoint left it; it is stopped when the checkpoint was not restored."""
    breaker = Breaker(at.next_offset, at.resume_offset, at.bad)
    suspects = Suspects(at.next_offset, at.deaths, at.attempts)
    barrier = None
    if isinstance(fold, UnknownVersion):
        barrier = unreadable(at.next_offset, fold, UNKNOWN_STATE)
    elif fold is None:
        barrier = ended(suspects, at.next_offset, RESTORE)
    elif suspects.is_culprit(at.next_offset) and at.next_offset not in at.skips:
        barrier = ended(suspects, at.next_offset)
    usable = None if isinstance(fold, UnknownVersion) else fold
    return OwnedPartition(
        key,
        at.epoch,
        usable,
        at.next_offset,
        at.next_offset,
        breaker,
        suspects,
        at.skips,
        barrier=barrier,
        log=at.log,
        base=at.offset_base,
        stored_last=at.last,
    )
