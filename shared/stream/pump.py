"""The pump: acquire, fold, commit, forget (docs/ARCHITECTURE.md). It imports no Kafka client.

A runtime passes it records and assignments. Offsets are Kafka's, spans seconds. Invariant: after an acquisition each
record is folded once, in order and without holes; what was folded and not committed is dropped with the partition.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol

import structlog

from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.postgres.connections import Connection
from shared.runtime import failpoint
from shared.runtime.retry import attempts, spread
from shared.stream.breaker import BreakerTrip
from shared.stream.owned import OwnedPartition, owned_from
from shared.stream.ownership import F, Outcome, Restore, Write
from shared.stream.processor import Cut, Key, Processor, Record, Stored, W

COMMIT_EVERY_S = 5.0
"""Longest time between two commits."""

COMMIT_PAUSE_S = 0.2
"""Shortest time between two commits: partitions whose windows close together are committed together."""

MAX_WAITING_BYTES = 64 << 20
"""Memory waiting for a commit at which the pump takes no more records."""

ROOM_S = 1.0
"""How long back-pressure lasts before the runtime checks whether it should stop."""

DRAIN_S = 5.0
"""How long the last commit of a process that stops may take."""

_log = structlog.get_logger(__name__)


class Checkpoints(Protocol):
    """Stores checkpoints and owners of partitions; `Ownership` implements it in Postgres and documents it in full."""

    async def acquire(self, keys: Sequence[Key], restore: Restore[F]) -> tuple[dict[Key, Stored], F]:
        """Take ownership and read the checkpoints. Raises `Unavailable`."""

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """One transaction for all cuts that still may. Raises `Unavailable` when the result is unknown."""

    async def stopped(self, trips: Mapping[Key, BreakerTrip]) -> Mapping[Key, int]:
        """Record stopped partitions; return the offset that an operator resumed each at. Raises `Unavailable`."""


class Pump(Generic[W]):
    """Drives one processor over the partitions that this process owns."""

    def __init__(self, processor: Processor[W], ownership: Checkpoints) -> None:
        self._processor = processor
        self._ownership = ownership
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self.owned: dict[Key, OwnedPartition[W]] = {}
        self._fenced: set[Key] = set()
        self._holes: set[Key] = set()
        self._resumed: set[Key] = set()

    async def acquire(self, keys: Iterable[Key]) -> dict[Key, OwnedPartition[W]]:
        """Own these partitions and restore their folds; nothing is folded before `install`."""
        stored, folds = await self._ownership.acquire(sorted(keys), self._processor.restore)
        return {key: owned_from(key, at, folds[key]) for key, at in stored.items()}

    def install(self, acquired: Mapping[Key, OwnedPartition[W]]) -> None:
        """From now on fold these partitions, and no others."""
        self.forget()
        self.owned = dict(acquired)
        failpoint.hit("installed")
        _log.info("partitions acquired", partitions=len(acquired), topics=sorted({k.topic for k in acquired}))
        for owned in acquired.values():
            owned.say_stopped()

    def forget(self) -> None:
        """Drop all partitions and everything that is not committed."""
        self.owned = {}
        self._fenced.clear()
        self._holes.clear()
        self._resumed.clear()
        self._room.set()

    def take(self, key: Key, records: Sequence[Record]) -> bool:
        """Fold records of one partition; False when some before them are missing: the runtime must rewind.

        Of a partition that is stopped, or not owned, nothing is taken.
        """
        owned = self.owned.get(key)
        if owned is None or owned.is_stopped():
            return True
        for record in records:
            if record.offset < owned.next:
                continue
            if record.offset > owned.next:
                self._holes.add(key)
                return False
            owned.take(record)
            failpoint.hit("folded")
            self._holes.discard(key)
            if owned.is_stopped():
                break
        if owned.urgent:
            self._due.set()
        return True

    async def resume(self) -> None:
        """Record which partitions are stopped, and continue those that were resumed. Raises `Unavailable`."""
        trips = {key: trip for key, owned in self.owned.items() if (trip := owned.trip) is not None}
        if not trips:
            return
        for key, resume_offset in (await self._ownership.stopped(trips)).items():
            owned = self.owned.get(key)
            trip = trips[key]
            if owned is not None and owned.breaker.trip == trip and resume_offset >= trip.offset:
                owned.resume(resume_offset)
                self._resumed.add(key)

    def rewinds(self) -> list[Key]:
        """Partitions resumed since the last call: the runtime must seek to their next offset."""
        resumed = [key for key in self._resumed if key in self.owned]
        self._resumed.clear()
        return resumed

    def fenced(self) -> str | None:
        """A symptom while partitions that Kafka still assigns to us belong to another process."""
        return "fenced, and no rebalance came" if self._fenced else None

    def hole(self) -> str | None:
        """A symptom while records are missing that a rewind should bring, such as those that retention took."""
        return "records are missing, and rewinding does not bring them" if self._holes else None

    @property
    def full(self) -> bool:
        """Whether too much waits for a commit to fold more."""
        return self.waiting_bytes() > MAX_WAITING_BYTES

    def waiting_bytes(self) -> int:
        """Approximate memory that only a commit frees, without what a running commit writes."""
        return sum(owned.waiting_bytes for owned in list(self.owned.values()))

    def bounds(self) -> tuple[Bound, ...]:
        """What waits for a commit."""
        return (Bound("waiting", "bytes", MAX_WAITING_BYTES, self.waiting_bytes),)

    async def room(self) -> None:
        """Wait until the next commit frees memory, at most `ROOM_S`; the caller checks again."""
        self._room.clear()
        self._due.set()
        await _wait(self._room, ROOM_S)

    async def commit(self) -> dict[Key, int]:
        """Commit what was folded; the committed partitions with their next offsets. Raises `Unavailable`."""
        async with self._lock:
            taken = [owned for owned in self.owned.values() if owned.cut or owned.next > owned.start]
            cuts = [owned.checkpoint() for owned in taken]
            if not cuts:
                return {}
            failpoint.hit("cut")
            outcome = await self._ownership.commit(cuts, self._write)
            done = [cut for cut in cuts if cut.key in outcome.done]
            self._finish(taken, outcome.done)
            await self._processor.settled(done)
            failpoint.hit("settled")
            return {cut.key: cut.end for cut in done}

    async def _write(self, conn: Connection, cuts: Sequence[Cut[W]]) -> None:
        await self._processor.save(conn, cuts)
        failpoint.hit("saved")
        await self._processor.publish(cuts)
        failpoint.hit("published")

    async def drain(self) -> dict[Key, int]:
        """Commit once more before leaving the group, then forget; what cannot be committed is replayed from the log."""
        failpoint.hit("stopping")
        try:
            async with asyncio.timeout(DRAIN_S):
                return await self.commit()
        except (Unavailable, TimeoutError) as problem:
            _log.warning("last commit failed; the log will be replayed", problem=repr(problem))
            return {}
        finally:
            failpoint.hit("drained")
            self.forget()

    def _finish(self, taken: Sequence[OwnedPartition[W]], done: frozenset[Key]) -> None:
        for owned in taken:
            if owned.key in done and owned.cut is not None:
                owned.start, owned.cut = owned.cut.end, None
            elif self.owned.get(owned.key) is owned:
                del self.owned[owned.key]
                self._fenced.add(owned.key)
                _log.warning(
                    "fenced", topic=owned.key.topic, partition=owned.key.partition, epoch=owned.epoch
                )
        self._room.set()

    async def run_commits(self, mirror: Callable[[dict[Key, int]], Any]) -> None:
        """Commit in a loop: when something is urgent, and every few seconds. `mirror` gets the offsets."""
        while True:
            await _wait(self._due, spread(COMMIT_EVERY_S))
            self._due.clear()
            async for attempt in attempts("commit put off", Unavailable):
                with attempt:
                    mirror(await self.commit())
                    await self.resume()
            await asyncio.sleep(COMMIT_PAUSE_S)


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
