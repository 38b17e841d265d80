"""Kafka in memory, as far as the pump's loop and a publisher see it: a log, a consumer of it, and a sender.

Spans are seconds. A fetch may bring records that were asked for before a seek, records once more, or records with a
gap before them. The log itself keeps what it has acknowledged, in one order for each partition.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from shared.runtime.kafka import Message
from shared.runtime.metadata import TopicMetadata
from shared.stream.log.identity import Extent, LastRecord, checksum
from shared.stream.processor import Key, Record
from tests.support.simulated.network import Network

IDLE_S = 2.0
"""Longest fetch from a partition with nothing new."""


class Delivered(NamedTuple):
    """A record as a consumer hands it over."""

    offset: int
    timestamp: int
    value: bytes | None


@dataclass
class MemoryLog:
    """Every topic, and who waits for more."""

    network: Network
    records: dict[Key, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """Of each partition from its first offset on; what retention took stays in the list and is not handed out."""
    waiting: dict["MemoryConsumer", None] = field(default_factory=dict)
    cluster_id: str = "cluster"
    created: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How often each topic was made again."""
    earliest: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    """Offset of the first record that is still there."""
    partitions: int = 3
    """Of every topic."""
    leader_epochs: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    appended_ms: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    """Append time of the newest record, those that were lost included: a broker's clock goes on."""

    def append(self, key: Key, appended_at_ms: int, value: bytes) -> None:
        """Put a record at the end of a partition."""
        log = self.records[key]
        self.appended_ms[key] = max(self.appended_ms[key], appended_at_ms)
        log.append(Record(len(log), self.appended_ms[key], value))
        for consumer in self.waiting:
            consumer.more.set()

    def remake(self, topic: str) -> None:
        """Delete the topic and make it again, empty."""
        self.created[topic] += 1
        for key in [key for key in self.records if key.topic == topic]:
            self.truncate(key, 0)
            self.earliest[key] = 0

    def truncate(self, key: Key, end: int) -> None:
        """Lose the records from an offset on, as a broker does that was restored from a copy."""
        del self.records[key][end:]
        self.appended_ms[key] += 1
        self.leader_epochs[key] += 1

    def expire(self, key: Key, end: int) -> None:
        """Take the records before an offset away, as retention does."""
        self.earliest[key] = max(self.earliest[key], end)

    def end(self, tp: TopicPartition) -> int:
        """The offset of the next record."""
        return len(self.records[Key(*tp)])

    def read(self, tp: TopicPartition, begin: int, end: int) -> list[Delivered]:
        """The records between two offsets."""
        key = Key(*tp)
        if not self.earliest[key] <= begin <= len(self.records[key]):
            raise OffsetOutOfRangeError({tp: begin})
        return [Delivered(*record) for record in self.records[key][begin:end]]


@dataclass(slots=True)
class MemoryLogReader:
    """Reads the log beside the consumers."""

    log: MemoryLog

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """Each of these topics. Raises `Unavailable`."""
        return await self.log.network.call(lambda: dict(zip(names, map(self._topic, names), strict=True)))  # type: ignore[no-any-return]

    async def extents(self, offsets: Mapping[Key, int]) -> dict[Key, Extent]:
        """Ends of these partitions, and the record at the offset of each. Raises `Unavailable`."""
        return await self.log.network.call(  # type: ignore[no-any-return]
            lambda: {key: self._extent(key, offset) for key, offset in offsets.items()}
        )

    def _topic(self, name: str) -> TopicMetadata:
        log = self.log
        epochs = [log.leader_epochs[Key(name, partition)] for partition in range(log.partitions)]
        return TopicMetadata(log.cluster_id, UUID(int=1 + log.created[name]), log.partitions, tuple(epochs))

    def _extent(self, key: Key, offset: int) -> Extent:
        records, earliest = self.log.records[key], self.log.earliest[key]
        found = records[offset] if earliest <= offset < len(records) else None
        last = found and LastRecord(offset, found.appended_at_ms, checksum(found.value))
        return Extent(earliest, len(records), last)

    async def first_after(self, appended_ms: Mapping[Key, int]) -> dict[Key, int]:
        """Offset of the first record of each partition that was appended after its time."""
        found = {
            key: next((one.offset for one in self._kept(key) if one.appended_at_ms > after_ms), None)
            for key, after_ms in appended_ms.items()
        }
        return {key: offset for key, offset in found.items() if offset is not None}

    def _kept(self, key: Key) -> Sequence[Record]:
        return self.log.records[key][self.log.earliest[key] :]


@dataclass(eq=False)
class MemoryConsumer:
    """As much of a consumer as the pump's loop asks for."""

    log: MemoryLog
    chance: random.Random
    odd: float = 0.0
    """Part of the fetches that bring something else than what comes next."""
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    """Partitions that are assigned, with the next offset to fetch."""
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.log.waiting[self] = None

    def assign(self, parts: Iterable[TopicPartition]) -> None:
        """Fetch from these, at first from anywhere."""
        self.positions = {tp: self.chance.randrange(self.log.end(tp) + 1) for tp in parts}
        self.more.set()

    def assignment(self) -> frozenset[TopicPartition]:
        """What is assigned."""
        return frozenset(self.positions)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Fetch from there; what is on its way may come all the same."""
        if tp in self.positions:
            self.positions[tp] = offset
            self.more.set()

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Delivered]]:
        """Records of a few partitions; none when there are none for a while."""
        if not any(at < self.log.end(tp) for tp, at in self.positions.items()):
            self.more.clear()
            await _within(self.more, IDLE_S)
        wanted = dict(self.positions)
        await asyncio.sleep(self.log.network.way_s())
        if not self.log.network.up:
            return {}
        return _handed_out(wanted, self._fetch)

    def _fetch(self, tp: TopicPartition, wanted: int) -> list[Delivered]:
        odd = self.chance.random() < self.odd
        first = self.log.earliest[Key(*tp)]
        at = self.chance.randrange(first, self.log.end(tp) + 1) if odd else wanted
        found = self.log.read(tp, at, at + self.chance.choice((1, 2, 3, 8)))
        if found and self.positions.get(tp) == wanted:
            self.positions[tp] = found[-1].offset + 1
        if len(found) > 2 and self.chance.random() < self.odd:
            del found[self.chance.randrange(len(found))]
        return found

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """The mirror, on which nobody depends."""
        await asyncio.sleep(self.log.network.way_s())
        if self.chance.random() < self.odd:
            raise KafkaError("not now")


@dataclass(slots=True)
class MemorySender:
    """Appends messages and waits for their acks; when it fails, a few of the first ones are in the log."""

    log: MemoryLog
    chance: random.Random

    async def send(self, messages: Sequence[Message]) -> None:
        """Append all messages, in order for each partition; `Unavailable` when that is not certain."""
        done = 0
        while done < len(messages):
            some = messages[done : done + self.chance.choice((1, 4, 100))]
            await self.log.network.call(lambda some=some: self._append(some))  # type: ignore[misc]
            done += len(some)

    def _append(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.log.append(Key(message.topic, message.partition), 0, message.value)


def _handed_out(
    wanted: Mapping[TopicPartition, int], fetch: Callable[[TopicPartition, int], list[Delivered]]
) -> dict[TopicPartition, list[Delivered]]:
    """What a fetch brings; as aiokafka has it, one out of range is told of when no other partition has anything."""
    found, lost = {}, None
    for tp, at in wanted.items():
        try:
            found[tp] = fetch(tp, at)
        except OffsetOutOfRangeError as problem:
            lost = problem
    if lost is not None and not any(found.values()):
        raise lost
    return {tp: records for tp, records in found.items() if records}


async def _within(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return
