"""Where the logs of topics begin and end: a read that joins no consumer group and consumes no record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient

from shared.errors import Misconfigured, Unavailable
from shared.runtime.kafka import FAILURES, REQUEST_S, stop

LIMIT_S = 20.0
"""How long the whole request may take."""

_REQUEST_MS = int(REQUEST_S * 1000)


async def ends(bootstrap: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """The offset after the last record of each partition of these topics; raise `Unavailable`."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await _ends(bootstrap, await _partitions(bootstrap, topics))
    except FAILURES as problem:
        raise Unavailable("kafka", repr(problem)) from problem


async def bounds(bootstrap: str, topic: str, partition: int) -> tuple[int, int]:
    """The offset of the first record of a partition, and the one after its last; raise `Unavailable`.

    Raises `Misconfigured` when there is no such partition.
    """
    part = aiokafka.TopicPartition(topic, partition)
    try:
        async with asyncio.timeout(LIMIT_S):
            if part not in await _partitions(bootstrap, [topic]):
                raise Misconfigured(f"Kafka has no partition {topic} {partition}")
            async with _consumer(bootstrap, [part]) as consumer:
                first = (await consumer.beginning_offsets([part]))[part]
                return int(first), int((await consumer.end_offsets([part]))[part])
    except FAILURES as problem:
        raise Unavailable("kafka", repr(problem)) from problem


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[aiokafka.TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        # All topics are listed: asking for one by name would let a broker that creates automatically create it.
        known = set(await admin.list_topics())
        described = await admin.describe_topics([topic for topic in topics if topic in known])
    finally:
        await admin.close()
    return [
        aiokafka.TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


async def _ends(bootstrap: str, parts: Sequence[aiokafka.TopicPartition]) -> dict[tuple[str, int], int]:
    async with _consumer(bootstrap, parts) as consumer:
        found = await consumer.end_offsets(parts)
    return {(part.topic, part.partition): end for part, end in found.items()}


@asynccontextmanager
async def _consumer(
    bootstrap: str, parts: Sequence[aiokafka.TopicPartition]
) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS)
    try:
        await consumer.start()
        consumer.assign(parts)
        yield consumer
    finally:
        await stop(consumer)
