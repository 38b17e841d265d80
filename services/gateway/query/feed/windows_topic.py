"""Follows the topic of windows: all partitions, without a group, from 15 minutes back.

Milliseconds UTC, spans seconds. After a pause, or under another leader, the reading goes on where it stood if the log
is the same: topic, ends, and the last record that was read. Of a topic that was made anew or cut off everything that
is there is read again, and the state is told that something may be missing. Nobody waits for this task.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.gateway.query.feed.feed import Feed
from services.gateway.query.feed.readings import Arrival
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.kafka import CLOSE_S, FAILURES, stop
from shared.runtime.metadata import METADATA_MAX_AGE_MS, TopicMetadata, describe
from shared.runtime.retry import attempts
from shared.stream.log.check import NOWHERE
from shared.stream.log.identity import LastRecord, checksum, other_content
from shared.stream.log.reader import KafkaLog
from shared.stream.processor import Key

BACK_MS = 900_000
"""How far back the reading begins."""

CHECK_S = 5.0
"""Time between two looks at which log the topic is."""

ASK_S = 5.0
"""Bound on a question to a broker, and on a connection."""

CLIENT = "tidegauge-gateway-feed"
"""How brokers know it."""

READY_S = 30.0
"""How long a process may wait for it before it answers without."""

POLL_MS = 200
"""How long a poll waits for records, here and at the broker: what is known is never older by more."""

POLL_RECORDS = 16
"""Records that a poll takes at most: they are unpacked on the event loop, some milliseconds long."""

_log = structlog.get_logger(__name__)


class WindowsTopic:
    """Reads the topic into a feed; `follow` it beside the server."""

    def __init__(self, kafka: str, topic: str, feed: Feed) -> None:
        self._kafka = kafka
        self._topic = topic
        self.feed = feed
        self._known: TopicMetadata | None = None
        self._next: dict[int, int] = {}
        self._last: dict[int, LastRecord] = {}
        self._ends: dict[int, int] = {}
        self._awaited: dict[int, tuple[int, int]] = {}
        self.behind = 0
        """Records that were not read yet at the last look."""
        self.sessions = 0
        """How often the reading began."""
        self._awaited_until_s = monotonic_s() + READY_S
        self._refusal: str | None = "the topic of windows has not been read yet"

    def refusal(self) -> str | None:
        """Why no question should come yet; None: all was read that was there at first, or cannot be read for now."""
        return self._refusal if monotonic_s() < self._awaited_until_s else None

    async def follow(self) -> None:
        """Read for ever."""
        async for attempt in attempts("the topic of windows cannot be read", Unavailable):
            with attempt:
                try:
                    await self._session()
                finally:
                    self._refusal = None

    async def _session(self) -> None:
        """Read until something fails or the log is another one."""
        async with self._client() as consumer:
            found = await self._described(consumer)
            await self._begin(consumer, found)
            self.sessions += 1
            check_s = monotonic_s() + CHECK_S
            while True:
                await self._poll(consumer)
                if all(self._next[partition] >= end for partition, end in self._ends.items()):
                    self._refusal = None
                if monotonic_s() >= check_s:
                    if await self._described(consumer) != found:
                        raise Unavailable("kafka", f"topic {self._topic} or its leaders have changed")
                    check_s = monotonic_s() + CHECK_S

    async def _described(self, consumer: AIOKafkaConsumer) -> TopicMetadata:
        async with asyncio.timeout(ASK_S):
            found = await describe(consumer._client, [self._topic])  # noqa: SLF001  no public call asks for topic ids
        if self._topic not in found or -1 in found[self._topic].leader_epochs:
            raise Unavailable("kafka", f"topic {self._topic} cannot be found, or has no leader")
        return found[self._topic]

    async def _begin(self, consumer: AIOKafkaConsumer, found: TopicMetadata) -> None:
        """Go on where the reading stood, or begin it anew."""
        parts = [TopicPartition(self._topic, partition) for partition in range(found.partitions)]
        consumer.assign(parts)
        async with asyncio.timeout(ASK_S):
            ends = await consumer.end_offsets(parts)
        if await self._is_same(found):
            begin = {part: self._next[part.partition] for part in parts}
            self.feed.state.go_on()
        else:
            begin = await self._anew(consumer, parts, ends)
        for part, offset in begin.items():
            consumer.seek(part, offset)
            self._next[part.partition] = offset
        self._known = found
        self._awaited.clear()
        self._ends = {part.partition: end for part, end in ends.items()}

    async def _is_same(self, found: TopicMetadata) -> bool:
        """Whether the log holds what was read of it, at the same offsets."""
        known = self._known
        if known is None or replaced(known, found) or len(self._next) < found.partitions:
            return False
        asked = {
            Key(self._topic, at): self._last[at].offset if at in self._last else NOWHERE for at in self._next
        }
        log = KafkaLog(self._kafka, CLIENT)
        try:
            extents = await log.extents(asked)
        finally:
            await log.close()
        return all(
            extent.earliest <= self._next[key.partition]
            and other_content(self._next[key.partition], self._last.get(key.partition), extent) is None
            for key, extent in extents.items()
        )

    async def _anew(
        self, consumer: AIOKafkaConsumer, parts: Sequence[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Where to begin; the state is told what it will know."""
        since_ms = now_ms() - BACK_MS
        async with asyncio.timeout(ASK_S):
            found = await consumer.offsets_for_times(dict.fromkeys(parts, since_ms))
        numbers = [part.partition for part in parts]
        if self._known is None:
            self.feed.state.begin(numbers, since_ms)
        else:
            self.feed.state.missed(numbers)
        self._next.clear()
        self._last.clear()
        begin = {part: ends[part] if at is None else at.offset for part, at in found.items()}
        _log.info(
            "reads the topic of windows", topic=self._topic, records=sum(ends.values()) - sum(begin.values())
        )
        return begin

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        records = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        arrivals = [
            Arrival(part.partition, record.offset, record.timestamp, record.value)
            for part, each in records.items()
            for record in each
        ]
        if arrivals:
            for reason in await self.feed.take(arrivals):
                _log.error("a record of the topic of windows could not be read", reason=reason)
        for each in records.values():
            last = each[-1]
            self._last[last.partition] = LastRecord(last.offset, last.timestamp, checksum(last.value))
        for one in arrivals:
            self._next[one.partition] = one.offset + 1
            if one.offset >= self._ends.get(one.partition, 0):
                self.feed.state.found_again(one.partition, one.appended_ms)
        self._measure(consumer)

    def _measure(self, consumer: AIOKafkaConsumer) -> None:
        """Which partitions were read to their ends, and when they had these."""
        self.behind = 0
        for part in consumer.assignment():
            end, at_ms = consumer.highwater(part), consumer.last_poll_timestamp(part)
            if end is None:
                continue
            position = self._next[part.partition]
            self.behind += max(0, end - position)
            waited, since_ms = self._awaited.get(part.partition, (end, at_ms))
            if position >= waited:
                # A newer end may never be reached, if there is always more by then.
                self.feed.state.level(part.partition, at_ms if position >= end else since_ms)
                waited, since_ms = end, at_ms
            self._awaited[part.partition] = waited, since_ms

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A started consumer; its failures are `Unavailable`."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka,
            client_id=CLIENT,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=POLL_MS,
            request_timeout_ms=int(ASK_S * 1000),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )
        try:
            async with asyncio.timeout(ASK_S):
                await consumer.start()
            yield consumer
        except FAILURES as problem:
            raise Unavailable("kafka", repr(problem)) from problem
        finally:
            await _close(consumer)


def replaced(known: TopicMetadata, found: TopicMetadata) -> bool:
    """Whether it is another topic, or one with another number of partitions."""
    return (known.cluster_id, known.topic_id, known.partitions) != (
        found.cluster_id,
        found.topic_id,
        found.partitions,
    )


async def _close(consumer: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await stop(consumer)
    except FAILURES as problem:
        _log.warning("connections did not close", problem=repr(problem))
