"""A Kafka producer with a limit on every wait, which is replaced after a failure.

Spans are seconds. An idempotent producer that one refusal has broken stays broken for that partition, and it retries
for ever while the broker is away; so each wait has a limit, and a producer that failed is replaced. It stops writing to
a topic that is no longer the one of its readers.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

import aiokafka
import structlog
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.metadata import METADATA_MAX_AGE_MS, TopicMetadata, describe
from shared.wire.topics import MAX_MESSAGE_BYTES

STOP_S = 2.5
"""How long a producer may take to end."""

CLOSE_S = 1.0
"""How long its connections may take to close."""

FAILURES = (KafkaError, OSError, TimeoutError)
"""The errors of a producer."""

REQUEST_S = 8.0
"""Bound on one request to the broker."""

CHECK_S = 10.0
"""Time between two looks at whether a topic still is the one that its readers know."""

_log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """One record to be appended to a partition."""

    topic: str
    partition: int
    value: bytes


def producer(bootstrap: str, client_id: str) -> aiokafka.AIOKafkaProducer:
    """An idempotent producer, not started: acks of all replicas, zstd, large batches, no linger."""
    return aiokafka.AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=0,
        max_batch_size=MAX_MESSAGE_BYTES - 4096,
        max_request_size=8 * MAX_MESSAGE_BYTES,
        request_timeout_ms=int(REQUEST_S * 1000),
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )


class TopicChanged(Unavailable):
    """A topic is not the one that its readers know: nothing may be written to it until an operator has accepted it."""


class TopicCheck(Protocol):
    """Knows which log a topic should be."""

    async def routed_by(self, topic: str, found: TopicMetadata) -> int:
        """How many partitions records of this topic are routed by.

        Raises `TopicChanged` when it is another topic, and `Unavailable` while that cannot be known.
        """


class Sender:
    """Appends messages and waits for their acks, with one limit for all; `check` may keep it from a topic."""

    def __init__(
        self, bootstrap: str, client_id: str, limit_s: float = 10.0, check: TopicCheck | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._limit_s = limit_s
        self._check = check
        self._producer: aiokafka.AIOKafkaProducer | None = None
        self._routed_by: dict[str, int] = {}
        self._checked_s: dict[str, float] = {}

    async def send(self, messages: Sequence[Message]) -> None:
        """Append all messages, in order for each partition; `Unavailable` when that is not certain."""
        if not messages:
            return
        async with self._bounded() as started:
            await self._checked(started, {message.topic for message in messages})
            await _have(started, messages)
            acks = [await started.send(m.topic, m.value, partition=m.partition) for m in messages]
            await asyncio.gather(*acks)

    async def partitions(self, topic: str) -> int:
        """How many partitions records of a topic are routed by. Raises `Unavailable`."""
        async with self._bounded() as started:
            await self._checked(started, [topic])
            return self._routed_by[topic]

    async def _checked(self, started: aiokafka.AIOKafkaProducer, topics: Collection[str]) -> None:
        """Look at topics that were not looked at of late. Raises `Unavailable` when one is not what it was."""
        now_s = monotonic_s()
        due = [topic for topic in topics if now_s - self._checked_s.get(topic, -CHECK_S) >= CHECK_S]
        if not due:
            return
        found = await describe(started.client, due)
        for topic in due:
            if topic not in found:
                raise Unavailable("kafka", f"topic {topic} cannot be found")
            partitions = found[topic].partitions
            self._routed_by[topic] = (
                await self._check.routed_by(topic, found[topic]) if self._check else partitions
            )
            self._checked_s[topic] = now_s

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[aiokafka.AIOKafkaProducer]:
        """The producer under the limit; one that failed is replaced."""
        try:
            async with asyncio.timeout(self._limit_s):
                yield await self._started()
        except FAILURES as problem:
            broken, self._producer = self._producer, None
            if broken is not None:
                await cut_off(broken)
            raise Unavailable("kafka", repr(problem)) from problem

    async def _started(self) -> aiokafka.AIOKafkaProducer:
        if self._producer is None:
            fresh = producer(self._bootstrap, self._client_id)
            try:
                await fresh.start()
            except BaseException:
                await cut_off(fresh)
                raise
            self._producer = fresh
        return self._producer

    async def close(self) -> None:
        """Let the producer go; the next `send` makes a new one."""
        old, self._producer = self._producer, None
        if old is not None:
            await end(old)


async def _have(started: aiokafka.AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Raises `Unavailable` for a partition that the producer does not know, where the library only asserts."""
    for topic in {message.topic for message in messages}:
        known = await started.partitions_for(topic)
        unknown = {message.partition for message in messages if message.topic == topic} - known
        if unknown:
            raise Unavailable("kafka", f"topic {topic} has no partition {min(unknown)}; it has {len(known)}")


async def stop(client: aiokafka.AIOKafkaProducer | aiokafka.AIOKafkaConsumer) -> None:
    """Stop a producer, or a consumer without a group.

    Either raises CancelledError in whoever stops it while a task of its own has not begun, as in the moment after
    `start` (findings/aiokafka-stop-cancels-its-caller.sh): so they begin first. A consumer does so too while a fetch
    pauses after it has failed, and leaves its connections open, which are closed here
    (findings/aiokafka-stop-after-a-failed-fetch.sh).
    """
    try:
        await asyncio.sleep(0)
    finally:
        try:
            await client.stop()
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if isinstance(client, aiokafka.AIOKafkaProducer) or own is None or own.cancelling():
                raise
            await _close_rest(client)


async def _close_rest(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """End the fetches of a consumer whose stop was broken off by one of them, and its connections."""
    fetches = set(consumer._fetcher._pending_tasks)  # noqa: SLF001 # nobody else ends them
    for fetch in fetches:
        fetch.cancel()
    if fetches:
        await asyncio.wait(fetches)
    await consumer._client.close()  # noqa: SLF001 # what its stop would do last


async def end(old: aiokafka.AIOKafkaProducer, limit_s: float = STOP_S) -> None:
    """Let a producer finish what it holds, within the limit; then cut it off."""
    try:
        async with asyncio.timeout(limit_s):
            await stop(old)
    except FAILURES as problem:
        _log.warning("producer did not end tidily", problem=repr(problem))
        await cut_off(old)


async def cut_off(old: aiokafka.AIOKafkaProducer) -> None:
    """Close the connections of a producer, whatever state it is in; its own `stop` waits for all acks."""
    sender = old._sender.sender_task  # noqa: SLF001 # it would go on sending
    if sender is not None:
        sender.cancel()
    old._closed = True  # noqa: SLF001 # or its finaliser complains
    try:
        async with asyncio.timeout(CLOSE_S):
            await old.client.close()
    except FAILURES as problem:
        _log.warning("connections did not close", problem=repr(problem))
