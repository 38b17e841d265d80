"""One life of a Kafka producer: from a connection to the first error, under one boot id.

Every failure ends it, for an idempotent producer that missed one sequence number is dead for that partition. Seconds
and milliseconds as the names say. The law: messages of one partition go out in order, and every wait has an end.
"""

import asyncio
import uuid

from aiokafka import AIOKafkaProducer

from services.gateway.adapters.batches import Chunk, cut
from shared.errors import Unavailable
from shared.runtime.kafka import FAILURES, cut_off, end
from shared.wire import envelope
from shared.wire.topics import MAX_MESSAGE_BYTES

CONNECT_S = 8.0
"""How long a connection may take until it is given up and tried again."""

REQUEST_MS = 5_000
"""How long the client waits for one answer of the broker before it asks again; below the produce deadline."""

TICK_S = 1.0
"""A partition that was not written to for so long gets a tick."""


class Producer:
    """A connected producer with its boot id and its sequence numbers."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partitions: int, now_s: float) -> None:
        self._client = client
        self._topic = topic
        self._seq = [0] * partitions
        self._written_s = [now_s - TICK_S] * partitions
        self.partitions = partitions
        self.boot_id = uuid.uuid4().hex

    def tick_due_s(self) -> float:
        """When the next tick is due, in monotonic seconds."""
        return min(self._written_s) + TICK_S

    def messages(self, chunks: list[Chunk], now_s: float, now_ms: int) -> tuple[list[tuple[int, bytes]], int]:
        """The messages of a flush, those of one partition in order, and how many of them are ticks."""
        received_at_ms = max((chunk.received_at_ms for chunk in chunks), default=now_ms)
        messages = []
        for piece in cut(chunks, self.partitions):
            seq = self._next(piece.partition, now_s)
            batch = envelope.Batch(self.boot_id, seq, received_at_ms, piece.series, piece.points, [])
            messages.append((piece.partition, envelope.encode(batch)))
        idle = [p for p, written_s in enumerate(self._written_s) if now_s - written_s >= TICK_S]
        for partition in idle:
            tick = envelope.tick(self.boot_id, self._next(partition, now_s), now_ms)
            messages.append((partition, tick))
        return messages, len(idle)

    def _next(self, partition: int, now_s: float) -> int:
        self._written_s[partition] = now_s
        self._seq[partition] += 1
        return self._seq[partition]

    async def write(self, messages: list[tuple[int, bytes]], timeout_s: float) -> None:
        """Write all messages and wait for the acks; any failure means that this producer must not be used again."""
        async with asyncio.timeout(timeout_s):
            acks = []
            for partition, value in messages:
                batch = self._client.create_batch()
                batch.append(key=None, value=value, timestamp=None)
                batch.close()
                acks.append(await self._client.send_batch(batch, self._topic, partition=partition))
            await asyncio.gather(*acks)

    async def stop(self, *, broken: bool) -> None:
        """End the producer in bounded time; a broken one is cut off, for its acks may never come."""
        await (cut_off if broken else end)(self._client)


async def connect(kafka: str, topic: str, now_s: float) -> Producer:
    """A producer for `topic`; raise `Unavailable` saying what is missing."""
    client = AIOKafkaProducer(
        bootstrap_servers=kafka,
        client_id="tidegauge-gateway",
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        compression_type="zstd",
        max_batch_size=256 << 10,
        max_request_size=MAX_MESSAGE_BYTES,
        request_timeout_ms=REQUEST_MS,
    )
    step = f"no broker answers at {kafka}"
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.start()
            step = f"topic {topic} cannot be found"
            partitions = await client.partitions_for(topic)
    except FAILURES as error:
        await cut_off(client)
        raise Unavailable("kafka", f"{step} ({error!r})") from error
    except asyncio.CancelledError:
        await cut_off(client)
        raise
    return Producer(client, topic, len(partitions), now_s)
