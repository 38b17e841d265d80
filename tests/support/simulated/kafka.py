"""Kafka in memory, as far as the pump's loop and a publisher see it: a log, a consumer of it, and a sender.

Spans are seconds. A fetch may bring records that were asked for before a seek, records once more, or records with a
gap before them. The log itself keeps what it has acknowledged, in one order for each partition.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.runtime.kafka import Message
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
    waiting: dict["MemoryConsumer", None] = field(default_factory=dict)

    def append(self, key: Key, appended_at_ms: int, value: bytes) -> None:
        """Put a record at the end of a partition."""
        log = self.records[key]
        log.append(Record(len(log), appended_at_ms, value))
        for consumer in self.waiting:
            consumer.more.set()

    def end(self, tp: TopicPartition) -> int:
        """The offset of the next record."""
        return len(self.records[Key(*tp)])

    def read(self, tp: TopicPartition, begin: int, end: int) -> list[Delivered]:
        """The records between two offsets."""
        return [Delivered(*record) for record in self.records[Key(*tp)][begin:end]]


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
        return {tp: found for tp, at in wanted.items() if (found := self._fetch(tp, at))}

    def _fetch(self, tp: TopicPartition, wanted: int) -> list[Delivered]:
        odd = self.chance.random() < self.odd
        at = self.chance.randrange(self.log.end(tp) + 1) if odd else wanted
        found = self.log.read(tp, at, at + self.chance.choice((1, 2, 3, 8)))
        if found and self.positions.get(tp) == wanted:
            self.positions[tp] = found[-1].offset + 1
        if len(found) > 2 and self.chance.random() < self.odd:
            del found[self.chance.randrange(len(found))]
        return found

    async def beginning_offsets(self, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Nothing is removed."""
        return dict.fromkeys(parts, 0)

    async def end_offsets(self, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the log ends now."""
        return await self.log.network.call(lambda: {tp: self.log.end(tp) for tp in parts})  # type: ignore[no-any-return]

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


async def _within(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return
