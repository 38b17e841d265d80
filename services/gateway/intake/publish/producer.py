"""One life of a Kafka producer: from a connection to the first error.

Every failure ends it, because an idempotent producer that missed one sequence number cannot write to that partition
again. Seconds and milliseconds as the names say. Messages of one partition are sent in order, and every wait has a
limit.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from aiokafka import AIOKafkaProducer

from shared.errors import Unavailable
from shared.runtime.kafka import FAILURES, cut_off, end
from shared.wire.topics import MAX_MESSAGE_BYTES

CONNECT_S = 8.0
"""How long a connection may take until it is given up and tried again."""

REQUEST_MS = 5_000
"""How long the client waits for one answer of the broker before it asks again; below the produce deadline."""


C = TypeVar("C")


class Batches(Protocol[C]):
    """Makes the messages of a producer out of what many requests bring."""

    def due_s(self) -> float:
        """When messages are due although nothing came, in monotonic seconds."""

    def messages(self, batches: list[C], now_s: float, now_ms: int) -> tuple[list[tuple[int, bytes]], int]:
        """Partition and value of each message, those of one partition in order; and how many of them are ticks."""


class Producer(Generic[C]):
    """A connected producer with what makes its messages."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partitions: int, batches: Batches[C]) -> None:
        self._client = client
        self._topic = topic
        self.partitions = partitions
        self.batches = batches

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


async def connect(kafka: str, topic: str, batches: Callable[[int], Batches[C]]) -> Producer[C]:
    """A producer for `topic` with messages for its partitions; raise `Unavailable` saying what is missing."""
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
    return Producer(client, topic, len(partitions), batches(len(partitions)))
