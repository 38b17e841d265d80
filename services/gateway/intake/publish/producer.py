"""One life of a Kafka producer: from a connection to the first error.

The failure of a partition ends it, because an idempotent producer that missed one sequence number cannot write to that
partition again. Seconds and milliseconds as the names say. Messages of one partition are sent in order, and every
wait has a limit.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata, TopicPartition

from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.kafka import FAILURES, TopicChanged, TopicCheck, cut_off, end
from shared.runtime.metadata import METADATA_MAX_AGE_MS, describe
from shared.wire.topics import MAX_MESSAGE_BYTES

CONNECT_S = 8.0
"""How long a connection may take until it is given up and tried again."""

REQUEST_MS = 5_000
"""How long the client waits for one answer of the broker before it asks again; below the produce deadline."""


METADATA_S = 1.0
"""How long the broker may take to say which partitions have leaders."""

C = TypeVar("C")


class Batches(Protocol[C]):
    """Makes the messages of a producer out of what many requests bring."""

    def due_s(self) -> float:
        """When messages are due although nothing came, in monotonic seconds."""

    def messages(
        self, batches: list[C], now_s: float, now_ms: int, away: Collection[int] = ()
    ) -> tuple[list[tuple[int, bytes]], int]:
        """Partition and value of each message, those of one partition in order; and how many of them are ticks.

        No tick goes to a partition in `away`, nor has any batch a row there.
        """

    def partitions_of(self, batch: C) -> Collection[int]:
        """The partitions that hold the rows of a batch."""


_Acks: TypeAlias = dict[asyncio.Future[Any], int]
"""Acks of one message, or of a list of them, with the partition."""


class Written(NamedTuple):
    """What became of the messages of a flush."""

    acks: Sequence[RecordMetadata]
    failed: dict[int, Exception]
    """What went wrong, by partition."""


class Producer(Generic[C]):
    """A connected producer with what makes its messages."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partitions: int, batches: Batches[C]) -> None:
        self._client = client
        self._topic = topic
        self.partitions = partitions
        """Partitions that rows are routed by."""
        self.batches = batches

    async def compare(self, check: TopicCheck) -> None:
        """Raises `TopicChanged` when the topic is no longer the one that this producer was made for."""
        routed_by = await _routed_by(self._client, self._topic, check)
        if routed_by != self.partitions:
            raise TopicChanged("kafka", f"{self._topic} is routed by {routed_by} partitions now")

    async def write(self, messages: list[tuple[int, bytes]], patience_s: float, timeout_s: float) -> Written:
        """Write all messages and wait for their acks; after a failure this producer must not be used again.

        From `patience_s` on it waits no longer for partitions that lag behind others, or have no leader.
        """
        begun_s = monotonic_s()
        acks: _Acks = {}
        rest: dict[int, list[bytes]] = {}
        async with asyncio.timeout(timeout_s):
            for partition, value in messages:
                if partition in acks.values():
                    rest.setdefault(partition, []).append(value)
                else:
                    acks[await self._send(partition, value)] = partition
        for partition, values in rest.items():
            acks[asyncio.ensure_future(self._send_all(partition, values))] = partition
        _, pending = await asyncio.wait(acks, timeout=min(patience_s, timeout_s))
        if pending and not await self._is_partial(acks):
            left_s = begun_s + timeout_s - monotonic_s()
            _, pending = await asyncio.wait(pending, timeout=max(0.0, left_s))
        for ack in pending:
            ack.cancel()
        return _written(acks, pending)

    async def _send(self, partition: int, value: bytes) -> asyncio.Future[RecordMetadata]:
        """Send a message; its ack. It waits while another one to the partition has not left."""
        batch = self._client.create_batch()
        batch.append(key=None, value=value, timestamp=None)
        batch.close()
        ack: asyncio.Future[RecordMetadata] = await self._client.send_batch(
            batch, self._topic, partition=partition
        )
        return ack

    async def _send_all(self, partition: int, values: Sequence[bytes]) -> list[RecordMetadata]:
        """Send messages to a partition that has one already, in order; their acks."""
        acks = [await self._send(partition, value) for value in values]
        return [await ack for ack in acks]

    async def _is_partial(self, acks: _Acks) -> bool:
        """Whether the broker is there, and only some partitions are late."""
        if any(ack.done() and ack.exception() is None for ack in acks):
            return True
        await self.refresh()
        return self.leaderless().issuperset(partition for ack, partition in acks.items() if not ack.done())

    def leaderless(self) -> frozenset[int]:
        """Partitions without a leader, as far as the broker has told."""
        leader_of = self._client.client.cluster.leader_for_partition
        return frozenset(
            partition
            for partition in range(self.partitions)
            if leader_of(TopicPartition(self._topic, partition)) in {None, -1}
        )

    async def refresh(self) -> None:
        """Ask the broker for the leaders; what was known stands when it does not answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(METADATA_S):
                await self._client.client.force_metadata_update()

    async def stop(self, *, broken: bool) -> None:
        """End the producer in bounded time; a broken one is cut off, for its acks may never come."""
        await (cut_off if broken else end)(self._client)


def _written(acks: _Acks, pending: Collection[asyncio.Future[Any]]) -> Written:
    """What the acks say; bugs are raised."""
    found: list[RecordMetadata] = []
    failed: dict[int, Exception] = {}
    for ack, partition in acks.items():
        if ack in pending:
            failed[partition] = TimeoutError(f"partition {partition} has not answered")
            continue
        try:
            answer = ack.result()
        except FAILURES as problem:
            failed[partition] = problem
        else:
            found += answer if isinstance(answer, list) else [answer]
    return Written(found, failed)


async def _routed_by(client: AIOKafkaProducer, topic: str, check: TopicCheck) -> int:
    found = (await describe(client.client, [topic])).get(topic)
    if found is None:
        raise Unavailable("kafka", f"topic {topic} cannot be found")
    return await check.routed_by(topic, found)


async def connect(
    kafka: str, topic: str, batches: Callable[[int], Batches[C]], check: TopicCheck
) -> Producer[C]:
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
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )
    step = f"no broker answers at {kafka}"
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.start()
            step = f"topic {topic} cannot be found"
            partitions = await _routed_by(client, topic, check)
            await client.partitions_for(topic)
    except Unavailable:
        await cut_off(client)
        raise
    except FAILURES as error:
        await cut_off(client)
        raise Unavailable("kafka", f"{step} ({error!r})") from error
    except asyncio.CancelledError:
        await cut_off(client)
        raise
    return Producer(client, topic, partitions, batches(partitions))
