"""The pump: acquire, fold, commit, forget (docs/ARCHITECTURE.md). It imports no Kafka client.

A runtime passes it records and assignments. Offsets are Kafka's, spans seconds. Invariant: after an acquisition each
record is folded once, in order and without holes; what was folded and not committed is dropped with the partition.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic

import structlog

from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.postgres.connections import Connection
from shared.runtime import failpoint
from shared.runtime.retry import attempts, spread, until_set
from shared.stream.checkpoints import Checkpoints
from shared.stream.containment.breaker import RESTORE, BreakerTrip
from shared.stream.containment.breaker_store import Decision
from shared.stream.containment.care import Care, Deaths, together
from shared.stream.log.check import Log, LogCheck
from shared.stream.owned import OwnedPartition, owned_from
from shared.stream.processor import Cut, Key, Processor, Record, W
from shared.stream.progress import Progress

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


class Pump(Generic[W]):
    """Drives one processor over the partitions that this process owns."""

    def __init__(
        self, processor: Processor[W], ownership: Checkpoints, log: Log, deaths: Deaths | None = None
    ) -> None:
        self._processor = processor
        self._ownership = ownership
        self._logs = LogCheck(log)
        self._care = Care(deaths)
        self.progress = Progress()
        """Whether it gets on."""
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self.owned: dict[Key, OwnedPartition[W]] = {}
        self._fenced: set[Key] = set()
        self._holes: set[Key] = set()
        self._resumed: set[Key] = set()
        self._released: set[Key] = set()

    async def acquire(self, keys: Iterable[Key]) -> dict[Key, OwnedPartition[W]]:
        """Own these partitions, restore their folds, compare their logs; nothing is folded before `install` or `add`.

        A partition whose restoring has ended too many workers is not restored, and stopped.
        """
        stored, folds = await self._care.acquire(
            self._ownership.acquire, sorted(keys), self._processor.restore
        )
        acquired = {key: owned_from(key, at, folds.get(key)) for key, at in stored.items()}
        await self._logs.acquired(acquired, stored)
        return acquired

    def add(self, acquired: Mapping[Key, OwnedPartition[W]]) -> None:
        """Fold these partitions from now on, besides those that are owned already."""
        self.owned |= acquired
        self._fenced -= acquired.keys()
        self._holes -= acquired.keys()
        self._released -= acquired.keys()
        for owned in acquired.values():
            owned.say_stopped()

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
        self._released.clear()
        self._room.set()

    async def consume(self, key: Key, records: Sequence[Record]) -> bool:
        """As `take`, with care for records that may have ended workers; an error is noted before it is raised.

        False also when Postgres cannot be told of a record that needs care: the runtime must rewind.
        """
        owned = self.owned.get(key)
        if owned is None or not records:
            return True
        try:
            if owned.mark is None and not owned.suspects.need_care(records[0].offset, records[-1].offset):
                return self.take(key, records)
            for portion in together(owned, records):
                take = partial(self._take_owned, owned, portion)
                if not await self._care.take(owned, portion, take, self.commit):
                    return False
        except Exception as problem:
            await self._care.folding_failed(owned, problem)
            raise
        return True

    def _take_owned(self, owned: OwnedPartition[W], records: Sequence[Record]) -> bool:
        """As `take`, unless the partition was lost meanwhile."""
        return self.owned.get(owned.key) is not owned or self.take(owned.key, records)

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
        """Record which partitions are stopped, and continue those that were resumed or reset. Raises `Unavailable`."""
        trips = {key: trip for key, owned in self.owned.items() if (trip := owned.trip) is not None}
        if trips:
            for key, decision in (await self._ownership.stopped(trips)).items():
                owned = self.owned.get(key)
                if owned is not None and owned.trip == trips[key] and decision.answers(trips[key]):
                    self._go_on(owned, trips[key], decision)
        if trips or self._fenced:
            lost = await self._ownership.released(self._fenced, trips.keys())
            self._released |= set(lost) & (self.owned.keys() | self._fenced)

    def _go_on(self, owned: OwnedPartition[W], trip: BreakerTrip, decision: Decision) -> None:
        if trip.kind == RESTORE:
            self._released.add(owned.key)
        elif owned.fold is not None:
            owned.resume(decision.resume_offset, decision.skips)
            self._resumed.add(owned.key)

    def base(self, key: Key) -> int:
        """What the runtime adds to the offsets of Kafka: the pump counts on when another log was accepted."""
        return self.owned[key].base if key in self.owned else 0

    def rewinds(self) -> list[Key]:
        """Partitions that moved since the last call: the runtime must seek to their position."""
        resumed = [key for key in self._resumed if key in self.owned]
        self._resumed.clear()
        return resumed

    def releases(self) -> list[Key]:
        """Partitions to be acquired anew, until `add`: an operator reset them, or what they read is in doubt."""
        return list(self._released & (self.owned.keys() | self._fenced))

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
        await until_set(self._room, ROOM_S)

    async def commit(self) -> dict[Key, int]:
        """Commit what was folded; the committed partitions with their next offsets in Kafka. Raises `Unavailable`."""
        async with self._lock:
            asked = dict(self.owned)
            # Cut before the question: what is folded while it is on its way may be of another log.
            for owned in asked.values():
                if owned.has_work:
                    owned.checkpoint()
            again, lost = await self._logs.confirm(asked, self._ownership.latest_epochs)
            self._released |= again
            # One that has nothing to commit would never be told by a commit.
            self._fence(asked[key] for key in lost)
            taken = [owned for owned in self.owned.values() if owned.has_work and owned.cut is not None]
            cuts = [owned.checkpoint() for owned in taken]
            if not cuts:
                return {}
            failpoint.hit("cut")
            suspects = {owned.key: owned.suspects for owned in taken}
            commit = partial(self._ownership.commit, write=self._write)
            outcome = await self._care.commit(commit, cuts, suspects)
            done = [cut for cut in cuts if cut.key in outcome.done]
            self._finish(taken, outcome.done)
            await self._processor.settled(done)
            failpoint.hit("settled")
            return {cut.key: cut.end - self.base(cut.key) for cut in done}

    async def out_of_range(self, keys: Iterable[Key]) -> None:
        """Kafka does not have the offsets that were fetched: pass what retention took, or stop; then ask `rewinds`."""
        asked = {key: self.owned[key] for key in keys if key in self.owned}
        self._moved(await self._logs.out_of_range(asked) | asked.keys())

    async def run_watch(self, topics: Sequence[str]) -> None:
        """Compare all partitions of these topics with their logs every few seconds."""
        await self._logs.run(lambda: self.owned, self._looked, topics)

    def _looked(self, moved: set[Key]) -> None:
        self.progress.looked(self.owned)
        self._moved(moved)

    def _moved(self, keys: set[Key]) -> None:
        if keys:
            self._resumed |= keys
            self._due.set()

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
        self._fence(owned for owned in taken if owned.key not in done)
        self._room.set()

    def _fence(self, lost: Iterable[OwnedPartition[W]]) -> None:
        """Drop what another owner has, unless it was acquired anew meanwhile."""
        for owned in lost:
            if self.owned.get(owned.key) is owned:
                del self.owned[owned.key]
                self._fenced.add(owned.key)
                _log.warning("fenced", **owned.key._asdict(), epoch=owned.epoch)

    async def run_commits(self, mirror: Callable[[dict[Key, int]], Any]) -> None:
        """Commit in a loop: when something is urgent, and every few seconds. `mirror` gets the offsets."""
        while True:
            await until_set(self._due, spread(COMMIT_EVERY_S))
            self._due.clear()
            async for attempt in attempts("commit put off", Unavailable):
                with attempt, self.progress.attempt():
                    mirror(await self.commit())
                    await self.resume()
            await asyncio.sleep(COMMIT_PAUSE_S)
