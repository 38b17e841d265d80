"""What a query process knows of the topic of points, from a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from deploy.kafka import topics
from deploy.local.stack import Stack
from services.gateway.query.resources.system.kafka import PointTopic
from shared.errors import Unavailable
from shared.runtime.kafka import Message, Sender
from shared.runtime.lifecycle import background
from shared.wire.topics import METRICS
from tests.support.wait import until

pytestmark = pytest.mark.servers

PARTITIONS = 3


@asynccontextmanager
async def watched(stack: Stack, name: str) -> AsyncIterator[PointTopic]:
    """A topic that is looked at all the time."""
    topic = PointTopic(stack.kafka, name, every_s=0.05, silent_s=1.0)
    task = background(topic.watch(), "topic of points")
    try:
        yield topic
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    """Kafka stands still."""
    stack.servers["kafka"].freeze()
    try:
        yield
    finally:
        stack.servers["kafka"].thaw()


async def becomes(fact: Callable[[], object], what: str) -> None:
    """Wait until it is so."""

    async def is_so() -> bool:
        return bool(fact())

    await until(is_so, what, 30)


async def create(stack: Stack, name: str) -> None:
    """Make the topic."""
    await topics.create(stack.kafka, [replace(METRICS, name=name)], PARTITIONS)


async def test_the_number_of_partitions_is_what_kafka_says(stack: Stack) -> None:
    """Before there is a topic there is no number; the topic may come later."""
    name = f"seen-{uuid4().hex}"
    async with watched(stack, name) as topic:
        await becomes(lambda: topic.asked, "kafka was asked")
        with pytest.raises(Unavailable, match="cannot be found"):
            topic.partitions()
        before = await topic.answers()
        await create(stack, name)
        await until(topic.answers, "the topic is seen", 30)

        assert (False, True, PARTITIONS) == (before, await topic.answers(), topic.partitions())


async def test_a_topic_is_written_while_every_partition_grows(stack: Stack) -> None:
    """A partition that nothing is written to is one that no gateway reaches."""
    name, sender = f"seen-{uuid4().hex}", Sender(stack.kafka, "test")
    await create(stack, name)

    async def written(partitions: int) -> bool:
        await sender.send([Message(name, partition, b"tick") for partition in range(partitions)])
        return topic.is_written()

    async with watched(stack, name) as topic:
        await becomes(topic.is_written, "the first look is a write")
        await becomes(lambda: not topic.is_written(), "nobody writes")
        await until(lambda: written(PARTITIONS), "all partitions grow", 10)

        async def is_silent() -> bool:
            return not await written(PARTITIONS - 1)

        await until(is_silent, "one partition stands still", 10)
    await sender.close()


async def test_a_frozen_kafka_does_not_answer_and_its_number_stays(stack: Stack) -> None:
    """It answers again once it goes on."""
    name = f"seen-{uuid4().hex}"
    await create(stack, name)
    async with watched(stack, name) as topic:
        await until(topic.answers, "kafka answers", 30)

        async def is_away() -> bool:
            return not await topic.answers()

        with frozen(stack):
            await until(is_away, "kafka does not answer", 30)
            kept, silent = topic.partitions(), not topic.is_written()
        await until(topic.answers, "kafka answers again", 30)

    assert (PARTITIONS, True) == (kept, silent)
