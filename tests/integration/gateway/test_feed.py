"""The feed on a real topic of windows: from some way back, through pauses, and over a topic that was made anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.kafka import topics
from deploy.local.stack import Stack
from services.gateway.query.feed.feed import Feed
from services.gateway.query.feed.state import NEVER_MS, FeedState
from services.gateway.query.feed.windows_topic import WindowsTopic
from shared.errors import Unavailable
from shared.model.window import start_of
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Message, Sender
from shared.runtime.lifecycle import background
from shared.wire.topics import WINDOWS
from tests.support.processes.topics import deleted
from tests.support.wait import until
from tests.support.windows import message, owner, tick

pytestmark = pytest.mark.servers

PARTITIONS = 2


@dataclass
class Topic:
    """A topic of windows, its feed, and who writes to it."""

    name: str
    sender: Sender
    feed: Feed
    reading: WindowsTopic

    async def send(self, *values: bytes, partition: int = 0) -> None:
        """Append records."""
        await self.sender.send([Message(self.name, partition, value) for value in values])

    async def hosts(self) -> Sequence[str]:
        """The hosts that live windows are shown of."""
        try:
            found = await self.feed.live(1, "cpu", 0, 1 << 45)
        except Unavailable:
            return ["unavailable"]
        return sorted(
            dict(one.part.owners[slot].labels)["host"]
            for one in found
            for slot in one.part.rollups.slot.tolist()
        )

    async def shows(self, *hosts: str) -> None:
        """Wait until live windows of these hosts, and no others, are shown."""

        async def are_shown() -> bool:
            return await self.hosts() == list(hosts)

        await until(are_shown, f"{hosts} are shown", 60)

    async def becomes(self, fact: Callable[[], object], what: str) -> None:
        """Wait until it is so."""

        async def is_so() -> bool:
            return bool(fact())

        await until(is_so, what, 60)


async def create(stack: Stack, name: str) -> None:
    """Make the topic."""
    await topics.create(stack.kafka, [replace(WINDOWS, name=name)], PARTITIONS)


@asynccontextmanager
async def followed(stack: Stack, name: str) -> AsyncIterator[Topic]:
    """The topic, read by a feed all the while."""
    feed = Feed(FeedState())
    made = Topic(name, Sender(stack.kafka, "test"), feed, WindowsTopic(stack.kafka, name, feed))
    task = background(made.reading.follow(), "topic of windows")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
        await made.sender.close()


@pytest.fixture
async def name(stack: Stack) -> str:
    """A topic of this test's own."""
    made = f"windows-{uuid4().hex}"
    await create(stack, made)
    return made


def start_ms() -> int:
    """A window that is open."""
    return start_of(now_ms())


async def test_what_was_there_before_is_read_and_what_comes_is_seen(stack: Stack, name: str) -> None:
    """Of all partitions; a process is ready when it has read what it found."""
    start = start_ms()
    sender = Sender(stack.kafka, "test")
    await sender.send([Message(name, 0, message({(owner("a"), start): [1.0]}, 5))])
    async with followed(stack, name) as topic:
        first = topic.reading.refusal()
        await topic.shows("a")
        await topic.send(message({(owner("b"), start): [1.0]}, 5, partition=1), partition=1)
        await topic.shows("a", "b")
        await topic.send(
            message({(owner("a"), start): [1.0]}, 7, final=True),
            tick(7, start + 10_000),
            tick(9, start + 10_000),
        )
        await topic.shows("b")
        await topic.becomes(topic.feed.is_current, "the feed is current")

        assert first is not None
        assert topic.reading.refusal() is None
        assert {0: 7} == topic.feed.touched(1, "cpu", 10_000, start)
        assert (start + 10_000, {0: 9}) == (topic.feed.watermark_ms(), topic.feed.ended())
    await sender.close()


async def test_a_frozen_kafka_ends_what_is_known_and_nothing_is_missed(stack: Stack, name: str) -> None:
    """The reading goes on where it stood."""
    start = start_ms()
    async with followed(stack, name) as topic:
        await topic.send(message({(owner("a"), start): [1.0]}, 5))
        await topic.shows("a")
        stack.servers["kafka"].freeze()
        try:
            await topic.becomes(lambda: not topic.feed.is_current(), "changes are not known")
            await topic.becomes(lambda: not topic.feed.available, "live windows are unavailable")
        finally:
            stack.servers["kafka"].thaw()
        await topic.send(message({(owner("a"), start): [1.0], (owner("b"), start): [2.0]}, 6))
        await topic.shows("a", "b")

        assert NEVER_MS not in topic.feed.covered_since.values()


async def test_of_a_topic_that_was_made_anew_everything_is_read(stack: Stack, name: str) -> None:
    """What was known before is not relied on, and live windows are unavailable until it can do no harm."""
    start = start_ms()
    async with followed(stack, name) as topic:
        await topic.send(message({(owner("a"), start): [1.0]}, 5), tick(5, start))
        await topic.shows("a")
        covered = topic.feed.covers(now_ms())
        await deleted(stack.kafka, name)
        await create(stack, name)
        await topic.becomes(lambda: topic.reading.sessions > 1, "the reading has begun anew")

        async def is_written() -> bool:
            try:
                await topic.send(message({(owner("b"), start): [1.0]}, 6, final=True))
            except Unavailable:
                return False
            return True

        await until(is_written, "the new topic can be written to", 60)
        await topic.becomes(
            lambda: topic.feed.touched(1, "cpu", 10_000, start) == {0: 6}, "the new topic is read"
        )

        assert (True, False) == (covered, topic.feed.covers(now_ms()))
        assert ["unavailable"] == await topic.hosts()


async def test_records_that_were_removed_unread_are_noticed(stack: Stack, name: str) -> None:
    """Nothing from before is covered any more."""
    async with followed(stack, name) as topic:
        await topic.send(tick(1, 1))
        await topic.becomes(lambda: topic.feed.ended() == {0: 1}, "the topic is read")
    # A feed that stood still meanwhile, as a process that was frozen does.
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await topic.sender.send([Message(name, 0, tick(offset, 1)) for offset in range(2, 6)])
    await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    task = background(topic.reading.follow(), "topic of windows")
    await topic.becomes(lambda: topic.feed.ended() == {0: 5}, "what is left is read")
    task.cancel()
    await asyncio.wait([task])
    await topic.sender.close()

    assert NEVER_MS in topic.feed.covered_since.values()


async def test_a_record_that_nobody_can_read_ends_nothing(stack: Stack, name: str) -> None:
    """It is counted, and the next ones are read."""
    async with followed(stack, name) as topic:
        await topic.send(b"of another build", tick(3, 1))
        await topic.becomes(lambda: topic.feed.ended() == {0: 3}, "the record behind it is read")

        assert 1 == topic.feed.state.unreadable
        assert not topic.feed.available
