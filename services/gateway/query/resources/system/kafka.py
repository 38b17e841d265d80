"""Watches the topic of points: how many partitions it has, and whether gateways write to it.

Seconds. One task asks Kafka every few seconds, so that no query waits for it. The client joins no group and reads no
record. A client that failed is replaced; while Kafka is away the last number of partitions stays.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.gateway.query.resources.system.growth import Growth
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.kafka import CLOSE_S, FAILURES, stop
from shared.runtime.metadata import METADATA_MAX_AGE_MS
from shared.runtime.retry import attempts, spread

LOOK_EVERY_S = 5.0
"""Longest time between two looks."""

LOOK_S = 2.0
"""Bound on one look, and on a connection."""

SILENT_S = 15.0
"""A partition without a message for so long: no gateway writes. Each one sends a tick every second."""

_log = structlog.get_logger(__name__)


class PointTopic:
    """What the last look at the topic found; `watch` it beside the server."""

    def __init__(
        self, kafka: str, topic: str, *, every_s: float = LOOK_EVERY_S, silent_s: float = SILENT_S
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._every_s = every_s
        self._silent_s = silent_s
        self._growth = Growth()
        self._partitions = 0
        self._problem: str | None = "kafka has not been asked yet"
        self.asked = False
        """Kafka has been asked once, whether it answered or not."""

    def partitions(self) -> int:
        """Partitions of the topic; raise `Unavailable` while Kafka has never told."""
        if not self._partitions:
            raise Unavailable("kafka", self._problem or "no partitions")
        return self._partitions

    def is_written(self) -> bool:
        """Whether every partition was written to of late."""
        return self._growth.silent_s(monotonic_s()) <= self._silent_s

    async def answers(self) -> bool:
        """Whether Kafka answered the last look."""
        return self._problem is None

    async def watch(self) -> None:
        """Look for ever."""
        async for attempt in attempts("the topic of points cannot be seen", Unavailable):
            with attempt:
                try:
                    await self._watch()
                except Unavailable as problem:
                    self._problem = str(problem)
                    raise
                finally:
                    self.asked = True

    async def _watch(self) -> None:
        """Look until a look fails."""
        async with self._client() as client:
            while True:
                async with asyncio.timeout(LOOK_S):
                    await self._ask(client)
                self._problem, self.asked = None, True
                await asyncio.sleep(spread(self._every_s))

    async def _ask(self, client: AIOKafkaConsumer) -> None:
        numbers = client.partitions_for_topic(self._topic)
        if numbers is None:
            # All topics are listed: a request by name would let some brokers create the topic.
            if self._topic not in await client.topics():
                raise Unavailable("kafka", f"topic {self._topic} cannot be found")
            await client.end_offsets([TopicPartition(self._topic, 0)])
            numbers = client.partitions_for_topic(self._topic)
        ends = await client.end_offsets([TopicPartition(self._topic, number) for number in numbers])
        self._partitions = len(ends)
        self._growth.seen({part.partition: end for part, end in ends.items()}, monotonic_s())

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A started client; its failures are `Unavailable`."""
        client = AIOKafkaConsumer(
            bootstrap_servers=self._kafka,
            client_id="tidegauge-gateway-query",
            request_timeout_ms=int(LOOK_S * 1000),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )
        try:
            async with asyncio.timeout(LOOK_S):
                await client.start()
            yield client
        except FAILURES as problem:
            raise Unavailable("kafka", f"no broker answers at {self._kafka} ({problem!r})") from problem
        finally:
            await _close(client)


async def _close(client: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await stop(client)
    except FAILURES as problem:
        _log.warning("connections did not close", problem=repr(problem))
