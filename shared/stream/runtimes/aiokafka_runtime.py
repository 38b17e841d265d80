"""The pump on plain aiokafka: one consumer, one loop, eager assignment.

An error inside a rebalance ends the process, because aiokafka would log it and continue from its own committed offsets.
Records are fetched only from the pump's next offset.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import aiokafka
import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

from shared.runtime import failpoint
from shared.runtime.lifecycle import background, die
from shared.runtime.retry import attempts
from shared.stream import group as timing
from shared.stream.group import Group
from shared.stream.owned import check_bounds
from shared.stream.processor import Key, Record
from shared.stream.pump import Pump
from shared.stream.runtimes.watchdog import Watchdog

POLL_MS = 200
"""Longest wait for records in milliseconds, and so for a stop."""

MAX_RECORDS = 256
"""Most records that are folded between two turns of the event loop."""

_log = structlog.get_logger(__name__)


async def run(pump: Pump[Any], group: Group, stopping: asyncio.Event) -> None:
    """Consume until `stopping` is set; then commit, leave the group and return."""
    await Runtime(pump, _consumer(group), group.topics).run(stopping)


class Runtime(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One pump on one consumer, which is not started yet."""

    def __init__(self, pump: Pump[Any], consumer: aiokafka.AIOKafkaConsumer, topics: tuple[str, ...]) -> None:
        self._pump = pump
        self._consumer = consumer
        self._mirroring: asyncio.Task[None] | None = None
        self.watchdog = Watchdog({pump.fenced: timing.FENCED_S, pump.hole: timing.SETTLE_S})
        """Ends the process when it hangs."""
        self._topics = topics

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; then commit, leave the group and return."""
        self._consumer.subscribe(topics=self._topics, listener=self)
        await _started(self._consumer, stopping)
        self.watchdog.start()
        commits = background(self._pump.run_commits(self.mirror), "commits")
        while not stopping.is_set():
            await self.turn(stopping)
        commits.cancel()
        self.mirror(await self._pump.drain())
        await self._consumer.stop()

    async def turn(self, stopping: asyncio.Event) -> None:
        """Fold what a fetch brings; under back-pressure, wait until there is room."""
        for key in self._pump.rewinds():
            self._consumer.seek(aiokafka.TopicPartition(*key), self._pump.owned[key].next)
        fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        if fetched:
            failpoint.hit("fetched")
        for tp, messages in fetched.items():
            key = Key(tp.topic, tp.partition)
            if not self._pump.take(key, [Record(m.offset, m.timestamp, m.value) for m in messages]):
                self._consumer.seek(tp, self._pump.owned[key].next)
        # While records are at hand `getmany` never waits: heartbeats, commits and the watchdog would starve.
        await asyncio.sleep(0)
        while self._pump.full and not stopping.is_set():
            await self._pump.room()

    async def on_partitions_revoked(self, revoked: Iterable[aiokafka.TopicPartition]) -> None:
        """Forget everything: an assignment always comes next, and is acquired anew."""
        failpoint.hit("revoked")
        self._pump.forget()
        failpoint.hit("forgotten")

    async def on_partitions_assigned(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        """Own what is assigned, or end the process."""
        try:
            async with asyncio.timeout(timing.ACQUIRE_S):
                await self.acquire(list(assigned))
        except asyncio.CancelledError:
            raise
        except BaseException as problem:  # noqa: BLE001 # aiokafka would log it and go on
            die(f"partitions could not be acquired: {problem!r}")

    async def acquire(self, assigned: list[aiokafka.TopicPartition]) -> None:
        """Own these partitions, seek to their checkpoints and fold them from now on."""
        failpoint.hit("assigned")
        acquired = await self._pump.acquire(Key(tp.topic, tp.partition) for tp in assigned)
        failpoint.hit("acquired")
        earliest = await self._consumer.beginning_offsets(assigned)
        ends = await self._consumer.end_offsets(assigned)
        for tp in assigned:
            owned = acquired[Key(tp.topic, tp.partition)]
            self._consumer.seek(tp, check_bounds(owned, earliest[tp], ends[tp]))
        failpoint.hit("sought")
        self._pump.install(acquired)

    def mirror(self, offsets: dict[Key, int]) -> None:
        """Commit the offsets to Kafka in the background, unless such a request is already running."""
        if offsets and (self._mirroring is None or self._mirroring.done()):
            self._mirroring = asyncio.create_task(self._tell_kafka(offsets))

    async def _tell_kafka(self, offsets: dict[Key, int]) -> None:
        try:
            await self._consumer.commit({aiokafka.TopicPartition(*key): at for key, at in offsets.items()})
            failpoint.hit("mirrored")
        except (KafkaError, ValueError) as problem:
            _log.info("offsets not mirrored", problem=repr(problem))


def _consumer(group: Group) -> aiokafka.AIOKafkaConsumer:
    return aiokafka.AIOKafkaConsumer(
        bootstrap_servers=group.bootstrap,
        group_id=group.group_id,
        client_id=group.client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        session_timeout_ms=int(timing.SESSION_S * 1000),
        heartbeat_interval_ms=int(timing.HEARTBEAT_S * 1000),
        rebalance_timeout_ms=int(timing.REBALANCE_S * 1000),
        request_timeout_ms=int(timing.REQUEST_S * 1000),
        max_poll_interval_ms=int(timing.MAX_POLL_S * 1000),
        fetch_max_wait_ms=timing.FETCH_WAIT_MS,
        max_partition_fetch_bytes=timing.MAX_FETCH_BYTES,
        metadata_max_age_ms=30_000,
    )


async def _started(consumer: aiokafka.AIOKafkaConsumer, stopping: asyncio.Event) -> None:
    async for attempt in attempts("Kafka does not answer; trying again", KafkaError):
        with attempt:
            if stopping.is_set():
                return
            await consumer.start()
