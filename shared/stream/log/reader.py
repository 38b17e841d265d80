"""Reads the ends of partitions, and single records of them, beside the consumer group.

Offsets are Kafka's, spans seconds. It has a connection of its own, joins no group and moves no position of the consumer
that feeds the folds.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiokafka
import structlog

from shared.errors import Unavailable
from shared.runtime.kafka import FAILURES, stop
from shared.runtime.metadata import METADATA_MAX_AGE_MS, TopicMetadata, describe
from shared.stream.log.identity import Extent, LastRecord, checksum
from shared.stream.processor import Key

READ_S = 3.0
"""How long one question may take, a new connection included; below the limit of an acquisition."""

CLOSE_S = 1.0
"""How long its connections may take to close."""

FETCH_BYTES = 64 << 10
"""Bytes of one partition in an answer: one record of each is wanted. The broker sends a larger batch all the same."""

_log = structlog.get_logger(__name__)


class KafkaLog:
    """The log in Kafka; it connects when it is asked first."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._consumer: aiokafka.AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def topics(self, names: Sequence[str]) -> dict[str, TopicMetadata]:
        """Each of these topics that exists. Raises `Unavailable`."""
        async with self._connected() as consumer:
            return await describe(consumer._client, names)  # noqa: SLF001  no public call asks for topic ids

    async def extents(self, offsets: Mapping[Key, int]) -> dict[Key, Extent]:
        """Ends of these partitions, and the record at the offset of each, all in one go. Raises `Unavailable`."""
        parts = {aiokafka.TopicPartition(*key): offset for key, offset in offsets.items()}
        async with self._connected() as consumer:
            earliest, ends = await asyncio.gather(
                consumer.beginning_offsets(list(parts)), consumer.end_offsets(list(parts))
            )
            there = {part: at for part, at in parts.items() if earliest[part] <= at < ends[part]}
            records = await _records(consumer, there)
        return {
            Key(part.topic, part.partition): Extent(earliest[part], ends[part], records.get(part))
            for part in parts
        }

    async def first_after(self, appended_ms: Mapping[Key, int]) -> dict[Key, int]:
        """Offset of the first record of each partition that was appended after its time; none where there is none.

        Raises `Unavailable`.
        """
        times = {aiokafka.TopicPartition(*key): at_ms + 1 for key, at_ms in appended_ms.items()}
        async with self._connected() as consumer:
            found = await consumer.offsets_for_times(times) if times else {}
        return {Key(part.topic, part.partition): at.offset for part, at in found.items() if at is not None}

    async def close(self) -> None:
        """End the connection; the next question makes a new one."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await stop(consumer)
        except FAILURES as problem:
            _log.warning("connections did not close", problem=repr(problem))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
        """The consumer, for one question at a time; one that failed is replaced."""
        async with self._lock:
            try:
                async with asyncio.timeout(READ_S):
                    if self._consumer is None:
                        self._consumer = self._made()
                        await self._consumer.start()
                    yield self._consumer
            except FAILURES as problem:
                await self.close()
                raise Unavailable("kafka", repr(problem)) from problem

    def _made(self) -> aiokafka.AIOKafkaConsumer:
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=f"{self._client_id}-log",
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=int(READ_S * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )


async def _records(
    consumer: aiokafka.AIOKafkaConsumer, offsets: Mapping[aiokafka.TopicPartition, int]
) -> dict[aiokafka.TopicPartition, LastRecord]:
    """The first record of each partition from its offset on."""
    found: dict[aiokafka.TopicPartition, LastRecord] = {}
    if not offsets:
        return found
    consumer.assign(list(offsets))
    for part, offset in offsets.items():
        consumer.seek(part, offset)
    while missing := offsets.keys() - found.keys():
        for part, records in (await consumer.getmany(*missing, timeout_ms=int(READ_S * 1000))).items():
            first = records[0]
            found[part] = LastRecord(first.offset, first.timestamp, checksum(first.value))
            consumer.pause(part)
    return found
