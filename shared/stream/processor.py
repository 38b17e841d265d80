"""The interface between a service and the pump, without Kafka or Faust.

Offsets are Kafka's, times milliseconds UTC. A `Fold` must be a function of its restored state and of the records that
follow, in order; so a replay after a crash comes to the same cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from shared.errors import UnknownVersion
from shared.postgres.connections import Connection
from shared.stream.containment.breaker import BadMessage
from shared.stream.containment.deaths import Death
from shared.stream.log.identity import LastRecord, LogIdentity

RETENTION_GAP = "retention_gap"
"""Code of the dead letter that stands for records which were gone before they were read."""

UNSUPPORTED_VERSION = "unsupported_version"
"""Code of the dead letter of a message that another build reads, where other producers go on beside its own."""

PRODUCER_STOPPED = "producer_stopped"
"""Code of the dead letters of a producer whose messages were bad beyond the limits."""

SKIPPED = "skipped"
"""Code of the dead letter of a record that an operator skipped."""


class Key(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """The part of a Kafka record that a fold sees."""

    offset: int
    appended_at_ms: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The checkpoint of a partition as it was found when the partition was acquired."""

    epoch: int
    """Fencing token of this ownership."""
    next_offset: int
    """Offset of the first record that is not in the tables."""
    watermark_ms: int | None
    """Watermark at that offset; None before the first record."""
    seen: bytes
    """What the service stores to recognise repeats; empty at first."""
    snapshot: bytes | None
    """State that is in no table, in the service's own format; None: no state."""
    resume_offset: int = 0
    """Bad records below this offset do not stop the partition."""
    bad: tuple[BadMessage, ...] = ()
    """The bad records shortly before `next_offset`, ascending."""
    attempts: int = field(default=0, compare=False)
    """Owners since the last commit, this one included."""
    deaths: tuple[Death, ...] = ()
    """What ended workers at or beyond `next_offset`."""
    skips: frozenset[int] = frozenset()
    """Offsets of the records that an operator makes dead letters."""
    log: LogIdentity | None = None
    """The log that it was written for; None: a build that knew no identity wrote it, or nothing was folded yet."""
    last: LastRecord | None = None
    """The last record that is in the tables; None: not known."""
    offset_base: int = 0
    """Offset here minus offset in Kafka."""
    siblings: tuple[LogIdentity, ...] = ()
    """The logs of all checkpoints of this topic."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never be folded, with the place it came from."""

    offset: int
    code: str
    reason: str
    value: bytes | None
    appended_at_ms: int = 0
    """When the broker appended it; where there is no record, when that was noticed."""
    lost: int = 0
    """How many records it stands for that nobody has read."""
    producer: str = ""
    """Who sent it; empty: not known."""


W_co = TypeVar("W_co", covariant=True)
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Checkpoint(Generic[W_co]):
    """What a fold has gathered since the previous checkpoint, and the state to continue from."""

    work: W_co
    """What the service has to write."""
    watermark_ms: int | None
    seen: bytes
    snapshot: bytes | None


@dataclass(frozen=True, slots=True)
class Cut(Generic[W_co]):
    """A checkpoint of one partition with its offsets: it contains every record in [start, end)."""

    key: Key
    epoch: int
    start: int
    end: int
    checkpoint: Checkpoint[W_co]
    dead: list[DeadLetter] = field(default_factory=list)
    log: LogIdentity | None = None
    """The log that it was read from."""
    last: LastRecord | None = None
    """The last record that was folded, in this cut or before it."""


class Fold(Protocol[W_co]):
    """The state of one partition in memory. No I/O."""

    @property
    def urgent(self) -> bool:
        """Whether something should be committed soon, such as a closed window."""

    @property
    def waiting_bytes(self) -> int:
        """Roughly the memory that only a commit can free."""

    def fold(self, record: Record) -> None:
        """Fold one record; raise `Rejected`, with the state unchanged, to make it a dead letter."""

    def pass_over(self, record: Record) -> None:
        """This record became a dead letter without being folded."""

    def pass_gap(self) -> None:
        """The records in front of the next one were never read, and are accounted for as lost."""

    def checkpoint(self) -> Checkpoint[W_co]:
        """Hand over what was gathered since the previous call."""


class Processor(Protocol[W]):
    """The service's side of the pump."""

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> Mapping[Key, Fold[W] | UnknownVersion]:
        """The folds that stand where these checkpoints were written, read in the transaction that acquires them.

        A partition that only another build can read has the error in place of a fold, and stands still. Raises
        `Misconfigured` for what nobody can read; nothing is acquired then, and the pump finds out whose it is.
        """

    async def save(self, connection: Connection, cuts: Sequence[Cut[W]]) -> None:
        """Write the work in the transaction that moves the checkpoints; called again if the transaction fails."""

    async def publish(self, cuts: Sequence[Cut[W]]) -> None:
        """Publish what `save` has written, at the end of the same transaction.

        Only the owner calls it, and after a failure it publishes equal content. Raises `Unavailable`.
        """

    async def settled(self, cuts: Sequence[Cut[W]]) -> None:
        """After the commit: refresh what can be rebuilt. Must not raise `Unavailable`."""
