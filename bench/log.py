"""Reads the log: the end offsets of topics, and the number of points between two places of a topic.

Offsets are Kafka's. Rates count the points that the log holds, not those that a load generator meant to send.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.wire import envelope, events


async def ends(kafka: str, topic: str, partitions: int) -> dict[int, int]:
    """The end of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, p) for p in range(partitions)])
    finally:
        await consumer.stop()
    return {tp.partition: end for tp, end in found.items()}


async def points_between(kafka: str, topic: str, begin: Mapping[int, int], end: Mapping[int, int]) -> int:
    """The points of all batches from `begin` to `end`."""
    return await _between(
        kafka, topic, (begin, end), lambda r: len(envelope.decode(r.value, r.timestamp).points)
    )


async def events_between(kafka: str, topic: str, begin: Mapping[int, int], end: Mapping[int, int]) -> int:
    """The events of all batches from `begin` to `end`."""
    return await _between(
        kafka, topic, (begin, end), lambda r: len(events.decode(r.value, r.timestamp).events)
    )


async def counted(
    kafka: str, topic: str, span: tuple[Mapping[int, int], Mapping[int, int]], count: Callable[[bytes], int]
) -> int:
    """What messages between two places hold, by a count of each."""
    return await _between(kafka, topic, span, lambda record: count(record.value))


async def _between(
    kafka: str, topic: str, span: tuple[Mapping[int, int], Mapping[int, int]], count: Callable[[Any], int]
) -> int:
    begin, end = span
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, max_partition_fetch_bytes=8 << 20)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, p) for p in end if end[p] > begin[p]])
        for tp in consumer.assignment():
            consumer.seek(tp, begin[tp.partition])
        rows = 0
        left = sum(end[p] - begin[p] for p in end)
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                inside = [record for record in records if record.offset < end[tp.partition]]
                left -= len(inside)
                rows += sum(map(count, inside))
    finally:
        await consumer.stop()
    return rows


async def append(kafka: str, topic: str, messages: Sequence[tuple[int, bytes]]) -> None:
    """Append messages in their order, as large batches of zstd."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", compression_type="zstd", linger_ms=5, max_batch_size=512 << 10,
        max_request_size=8 << 20,
    )  # fmt: skip
    await producer.start()
    try:
        for partition, value in messages:
            await producer.send(topic, value, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
