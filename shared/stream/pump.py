"""The pump: acquire, fold, commit, forget (docs/ARCHITECTURE.md). There is no Kafka client in it.

A runtime feeds it with records and tells it of assignments. Offsets are Kafka's, spans seconds. The law: a record is
folded once for each acquisition, in order, without holes; and what was folded but not committed is forgotten.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

import structlog

from shared.errors import Misconfigured, Rejected, Unavailable
from shared.runtime import crash
from shared.runtime.postgres import Connection
from shared.stream.ownership import F, Outcome, Restore, Write
from shared.stream.processor import Cut, DeadLetter, Fold, Key, Processor, Record, Stored, W

COMMIT_EVERY_S = 5.0
"""Longest time between two commits."""

COMMIT_PAUSE_S = 0.2
"""Shortest time between two commits: partitions whose windows close together are committed together."""

MAX_WAITING_BYTES = 64 << 20
"""Memory waiting for a commit at which the pump takes no more records."""

ROOM_S = 1.0
"""How long back-pressure goes on before the runtime looks whether it is told to stop."""

DRAIN_S = 5.0
"""How long the commit of a process that is told to stop may take."""

_RETRY_S = 0.5

_log = structlog.get_logger(__name__)


class Checkpoints(Protocol):
    """Where checkpoints are kept and partitions are owned; `Ownership` does it in Postgres and says the promises."""

    async def acquire(self, keys: Sequence[Key], restore: Restore[F]) -> tuple[dict[Key, Stored], F]:
        """Take ownership and read the checkpoints. Raises `Unavailable`."""

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """One transaction for all cuts that still may. Raises `Unavailable` when the result is unknown."""


@dataclass(slots=True, eq=False)
class Held(Generic[W]):
    """A partition this process owns."""

    key: Key
    epoch: int
    fold: Fold[W]
    start: int
    """Where the checkpoint in Postgres stands."""
    next: int
    """The next offset to fold."""
    dead: list[DeadLetter] = field(default_factory=list)
    cut: Cut[W] | None = None
    """Taken but not known to be committed; it is committed before anything newer."""


class Pump(Generic[W]):
    """Drives one processor over the partitions this process holds."""

    def __init__(self, processor: Processor[W], ownership: Checkpoints) -> None:
        self._processor = processor
        self._ownership = ownership
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self.held: dict[Key, Held[W]] = {}
        self._fenced: set[Key] = set()
        self._holes: set[Key] = set()

    async def acquire(self, keys: Iterable[Key]) -> dict[Key, Held[W]]:
        """Own these partitions and restore their folds; nothing is folded before `install`."""
        stored, folds = await self._ownership.acquire(sorted(keys), self._processor.restore)
        return {
            key: Held(key, at.epoch, folds[key], at.next_offset, at.next_offset) for key, at in stored.items()
        }

    def install(self, acquired: Mapping[Key, Held[W]]) -> None:
        """From now on fold these partitions, and no others."""
        self.held = dict(acquired)
        self._fenced.clear()
        self._holes.clear()
        crash.point("installed")
        _log.info("partitions acquired", partitions=len(acquired), topics=sorted({k.topic for k in acquired}))

    def forget(self) -> None:
        """Drop all partitions with everything that is not committed."""
        self.held = {}
        self._fenced.clear()
        self._holes.clear()
        self._room.set()

    def take(self, key: Key, records: Sequence[Record]) -> bool:
        """Fold records of one partition; False when some before them are missing: the runtime must rewind."""
        held = self.held.get(key)
        if held is None:
            return True
        for record in records:
            if record.offset < held.next:
                continue
            if record.offset > held.next:
                self._holes.add(key)
                return False
            self._fold(held, record)
            self._holes.discard(key)
        if held.fold.urgent:
            self._due.set()
        return True

    def _fold(self, held: Held[W], record: Record) -> None:
        try:
            held.fold.fold(record)
        except Rejected as refused:
            held.dead.append(
                DeadLetter(record.offset, refused.code, refused.message, record.value, record.appended_at_ms)
            )
            _log.warning("dead letter", **held.key._asdict(), offset=record.offset, code=refused.code)
        held.next = record.offset + 1
        crash.point("folded")

    def fenced(self) -> str | None:
        """A symptom while partitions that Kafka still assigns to us belong to another process."""
        return "fenced, and no rebalance came" if self._fenced else None

    def hole(self) -> str | None:
        """A symptom while records are missing that a rewind should bring, such as those that retention took."""
        return "records are missing, and rewinding does not bring them" if self._holes else None

    @property
    def full(self) -> bool:
        """Whether so much waits for a commit that no more should be folded."""
        return sum(held.fold.waiting_bytes for held in self.held.values()) > MAX_WAITING_BYTES

    async def room(self) -> None:
        """Wait for the next commit to free memory, or a moment: the caller looks again."""
        self._room.clear()
        self._due.set()
        await _wait(self._room, ROOM_S)

    async def commit(self) -> dict[Key, int]:
        """Commit what was folded; the committed partitions with their next offsets. Raises `Unavailable`."""
        async with self._lock:
            taken = [held for held in self.held.values() if held.cut or held.next > held.start]
            cuts = [self._cut(held) for held in taken]
            if not cuts:
                return {}
            crash.point("cut")
            outcome = await self._ownership.commit(cuts, self._write)
            done = [cut for cut in cuts if cut.key in outcome.done]
            self._settle(taken, outcome.done)
            await self._processor.settled(done)
            crash.point("settled")
            return {cut.key: cut.end for cut in done}

    async def _write(self, held: Connection, cuts: Sequence[Cut[W]]) -> None:
        await self._processor.save(held, cuts)
        crash.point("saved")
        await self._processor.publish(cuts)
        crash.point("published")

    async def drain(self) -> dict[Key, int]:
        """Commit once more before leaving the group, then forget; what cannot be committed is left to the log."""
        crash.point("stopping")
        try:
            async with asyncio.timeout(DRAIN_S):
                return await self.commit()
        except (Unavailable, TimeoutError) as problem:
            _log.warning("last commit failed; the log will be replayed", problem=repr(problem))
            return {}
        finally:
            crash.point("drained")
            self.forget()

    def _cut(self, held: Held[W]) -> Cut[W]:
        if held.cut is None:
            held.cut = Cut(held.key, held.epoch, held.start, held.next, held.fold.checkpoint(), held.dead)
            held.dead = []
        return held.cut

    def _settle(self, taken: Sequence[Held[W]], done: frozenset[Key]) -> None:
        for held in taken:
            if held.key in done and held.cut is not None:
                held.start, held.cut = held.cut.end, None
            elif self.held.get(held.key) is held:
                del self.held[held.key]
                self._fenced.add(held.key)
                _log.warning("fenced", topic=held.key.topic, partition=held.key.partition, epoch=held.epoch)
        self._room.set()

    async def run_commits(self, mirror: Callable[[dict[Key, int]], Any]) -> None:
        """Commit for ever: when something is urgent, and every few seconds. `mirror` learns the offsets."""
        while True:
            await _wait(self._due, COMMIT_EVERY_S)
            self._due.clear()
            try:
                mirror(await self.commit())
            except Unavailable as problem:
                _log.warning("commit put off", problem=str(problem))
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(COMMIT_PAUSE_S)


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()


def check_bounds(held: Held[Any], earliest: int, end: int) -> int:
    """The offset to seek to; records that retention has taken are gone for good, and that is said loudly.

    Raises `Misconfigured` when the checkpoint lies past the end: the topic is not the one it was written for.
    """
    if held.start > end:
        raise Misconfigured(
            f"{held.key.topic}[{held.key.partition}] ends at {end}, but its checkpoint is {held.start}: the topic was "
            "made anew. Restore it, or delete its rows from partition_state to start from its beginning"
        )
    if held.start < earliest:
        reason = f"records {held.start} to {earliest - 1} were removed by retention before they were read"
        held.dead.append(DeadLetter(held.start, "retention_gap", reason, None))
        _log.error(
            "data lost to retention", topic=held.key.topic, partition=held.key.partition, reason=reason
        )
        held.next = earliest
    return held.next
