"""Compares partitions with their logs as they are now: on acquire, before each commit and every few seconds.

Offsets are those of checkpoints. Invariant: a partition whose log is not the one of its checkpoint is stopped, and
nothing that was folded since its last commit is committed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from shared.errors import Unavailable
from shared.runtime.metadata import TopicMetadata
from shared.runtime.retry import spread
from shared.stream.containment.breaker import ANOTHER_LOG, BreakerTrip
from shared.stream.log.identity import (
    Extent,
    LastRecord,
    LogIdentity,
    adopted,
    other_content,
    other_topic,
)
from shared.stream.owned import OwnedPartition
from shared.stream.processor import Key, Stored

NOWHERE = -1
"""The offset to ask for where no record is to be compared."""

UNASSIGNED_ROUNDS = 4
"""Comparisons without a partition after which that is said: longer than any rebalance."""

WATCH_S = 10.0
"""Longest time between two comparisons of everything."""

Owned = Mapping[Key, OwnedPartition[Any]]

LatestEpochs = Callable[[Sequence[Key]], Awaitable[Mapping[Key, int]]]
"""The epochs of those whose latest owner is this process."""

_log = structlog.get_logger(__name__)


class Log(Protocol):
    """The log as the broker has it now; offsets are Kafka's. `KafkaLog` reads it."""

    async def topics(self, names: Sequence[str]) -> Mapping[str, TopicMetadata]:
        """Each of these topics that exists. Raises `Unavailable`."""

    async def extents(self, offsets: Mapping[Key, int]) -> Mapping[Key, Extent]:
        """Ends of these partitions, and the record at the offset of each. Raises `Unavailable`."""


class LogCheck:
    """Whether partitions are what their checkpoints were written for."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def acquired(self, owned: Owned, stored: Mapping[Key, Stored]) -> None:
        """Adopt the log of a partition that knows none; stop it if it is another one; pass over what is gone."""
        topics = await self._topics(owned)
        new = []
        for key, one in owned.items():
            found = topics[key.topic]
            one.leader_epoch = _leader_epoch(found, key)
            if one.log is None:
                one.log = _known(stored[key].siblings, found) or adopted(found)
                new.append(key)
        if new:
            _log.info("logs adopted", topics=sorted({key.topic for key in new}), partitions=len(new))
        for key, problem in (await self._differing(owned, topics)).items():
            _stop(owned[key], *problem)

    async def run(
        self, owned: Callable[[], Owned], looked: Callable[[set[Key]], object], topics: Sequence[str]
    ) -> None:
        """Compare everything every few seconds; `looked` gets the partitions that have another position now,
        each time that Kafka could be asked.

        Says once when none of these topics' partitions were assigned for so long that a rebalance cannot be the cause.
        """
        rounds = 0
        while True:
            await asyncio.sleep(spread(WATCH_S))
            if (moved := await self.looked_at(owned())) is not None:
                looked(moved)
            rounds = 0 if owned() else rounds + 1
            if rounds == UNASSIGNED_ROUNDS:
                await self._say_unassigned(topics)

    async def _say_unassigned(self, topics: Sequence[str]) -> None:
        try:
            found = await self._log.topics(topics)
        except Unavailable as problem:
            _log.warning("no partition is assigned", problem=str(problem))
            return
        missing = sorted(set(topics) - found.keys())
        of = sum(topic.partitions for topic in found.values())
        say = _log.error if missing else _log.warning
        say("no partition is assigned", assigned=0, of=of, missing=missing)

    async def looked_at(self, owned: Owned) -> set[Key] | None:
        """Compare everything, records included; return the partitions whose position or state has to change.

        None: Kafka could not be asked.
        One that differs is acquired anew, before the next commit: perhaps the log only lacks what is not committed.
        """
        going = {key: one for key, one in owned.items() if one.other_log is None}
        try:
            differing = await self._differing(going, await self._topics(going)) if going else {}
        except Unavailable as problem:
            _log.warning("logs were not compared", problem=str(problem))
            return None
        for key in differing:
            going[key].reread = True
        return differing.keys() | {key for key, one in going.items() if one.moved()}

    async def out_of_range(self, owned: Owned) -> set[Key]:
        """As `looked_at`, for partitions whose offsets Kafka does not have; one that is stopped waits at the end."""
        waiting = {key: one for key, one in owned.items() if one.other_log is not None}
        moved = await self.looked_at(owned) or set()
        try:
            extents = await self._log.extents(dict.fromkeys(waiting, NOWHERE)) if waiting else {}
        except Unavailable as problem:
            _log.warning("logs were not compared", problem=str(problem))
            return moved
        for key, extent in extents.items():
            waiting[key].wait_at(extent.end)
        return moved | extents.keys()

    async def _topics(self, owned: Owned) -> Mapping[str, TopicMetadata]:
        """The topics as they are now. Raises `Unavailable` when one of them does not exist: it may come back."""
        names = sorted({key.topic for key in owned})
        found = await self._log.topics(names)
        if missing := [name for name in names if name not in found]:
            raise Unavailable("kafka", f"topics cannot be found: {', '.join(missing)}")
        return found

    async def confirm(self, owned: Owned, latest_epochs: LatestEpochs) -> tuple[set[Key], set[Key]]:
        """Compare the topics alone, which costs one question: partitions that differ are stopped.

        Returns those in doubt: what this process owns still commits nothing and is to be acquired anew, as another
        leader may lack what was folded since the checkpoint; then what it owns no longer. Raises `Unavailable`.
        """
        going = {key: one for key, one in owned.items() if one.other_log is None}
        if not going:
            return set(), set()
        topics = await self._topics(going)
        for key, one in going.items():
            if one.log is not None and (problem := other_topic(one.log, topics[key.topic])):
                _stop(one, problem)
            elif _leader_epoch(topics[key.topic], key) != one.leader_epoch:
                one.reread = True
        again = {key: one for key, one in going.items() if one.reread}
        epochs = await latest_epochs(sorted(again)) if again else {}
        mine = {key for key, one in again.items() if epochs.get(key) == one.epoch}
        return mine, again.keys() - mine

    async def _differing(
        self, owned: Owned, topics: Mapping[str, TopicMetadata]
    ) -> dict[Key, tuple[str, int | None]]:
        """Which partitions have another log: in what it differs, and where it ends in Kafka, as far as that was asked.

        The others pass over what retention took.
        """
        found: dict[Key, tuple[str, int | None]] = {}
        for key, one in owned.items():
            if one.log is not None and (problem := other_topic(one.log, topics[key.topic])):
                found[key] = problem, None
        same = {key: one for key, one in owned.items() if key not in found}
        # Taken before the log is asked: what is folded meanwhile must not look like a log that ends too early.
        before = {key: (one.next, _comparable(one)) for key, one in same.items()}
        places = {key: last.offset - same[key].base if last else NOWHERE for key, (_, last) in before.items()}
        extents = await self._log.extents(places) if places else {}
        for key, one in same.items():
            extent = _shifted(one, extents[key])
            one.end = extent.end
            if problem := _other_content(one, *before[key], extent):
                found[key] = problem, extents[key].end
            else:
                one.pass_gap(extent.earliest)
        return found


def _leader_epoch(found: TopicMetadata, key: Key) -> int | None:
    return found.leader_epochs[key.partition] if key.partition < len(found.leader_epochs) else None


def _known(siblings: Iterable[LogIdentity], found: TopicMetadata) -> LogIdentity | None:
    """What other partitions of this very topic know of it, such as how many it had."""
    return next((one for one in siblings if one[:2] == found[:2]), None)


def _comparable(one: OwnedPartition[Any]) -> LastRecord | None:
    """The last record, if it is the one before the next: a build that knows no identity may have gone further."""
    last = one.last
    return last if last is not None and last.offset == one.next - 1 else None


def _shifted(one: OwnedPartition[Any], found: Extent) -> Extent:
    """The extent in the offsets of the checkpoint."""
    record = found.record and found.record._replace(offset=found.record.offset + one.base)
    return Extent(found.earliest + one.base, found.end + one.base, record)


def _other_content(
    one: OwnedPartition[Any], next_offset: int, last: LastRecord | None, found: Extent
) -> str | None:
    if one.log is None or one.key.partition < one.log.routed_by:
        return other_content(next_offset, last, found)
    if found.end > next_offset:
        return f"records are routed by {one.log.routed_by} partitions, not to this one"
    return None


def _stop(one: OwnedPartition[Any], problem: str, end: int | None = None) -> None:
    one.stop_for_log(BreakerTrip(one.next, problem, ANOTHER_LOG), end)
