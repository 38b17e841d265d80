"""The pump on plain aiokafka: one consumer, one loop, eager assignment.

An error inside a rebalance ends the process, because aiokafka would log it and continue from its own committed offsets.
While Postgres is away nothing is owned and nothing is fetched; the partitions are acquired when it is back. Records are
fetched only from the pump's next offset.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import aiokafka
import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.errors import Unavailable
from shared.runtime import failpoint
from shared.runtime.lifecycle import background, die, exit_code_of
from shared.runtime.metadata import METADATA_MAX_AGE_MS, require_brokers
from shared.runtime.retry import attempts
from shared.stream import group as timing
from shared.stream.group import Group
from shared.stream.owned import OwnedPartition
from shared.stream.processor import Key, Record
from shared.stream.pump import Pump
from shared.stream.runtimes import pump_symptoms
from shared.stream.runtimes.watchdog import Watchdog

POLL_MS = 200
"""Longest wait for records in milliseconds, and so for a stop."""

MAX_RECORDS = 256
"""Most records that are folded between two turns of the event loop."""

_NOT_YET = "partitions not acquired yet"

_log = structlog.get_logger(__name__)


async def run(pump: Pump[Any], group: Group, stopping: asyncio.Event) -> None:
    """Consume until `stopping` is set; then commit, leave the group and return."""
    await Runtime(pump, _consumer(group), group.topics).run(stopping)


class Runtime(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One pump on one consumer, which is not started yet."""

    def __init__(
        self,
        pump: Pump[Any],
        consumer: aiokafka.AIOKafkaConsumer,
        topics: tuple[str, ...],
        end: Callable[..., object] = die,
    ) -> None:
        self._pump = pump
        self._end = end
        self._consumer = consumer
        self._mirroring: asyncio.Task[None] | None = None
        self._acquiring: asyncio.Task[None] | None = None
        self.watchdog = Watchdog(pump_symptoms.of(pump))
        """Ends the process when it hangs."""
        self._topics = topics

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; then commit, leave the group and return."""
        self._consumer.subscribe(topics=self._topics, listener=self)
        await _started(self._consumer, stopping)
        self.watchdog.start()
        tasks = [
            background(self._pump.run_commits(self.mirror), "commits"),
            background(self._pump.run_watch(self._topics), "watch of the logs"),
        ]
        while not stopping.is_set():
            try:
                await self.turn(stopping)
            except Exception as problem:  # noqa: BLE001 # a bug, or a record that no build can fold
                _log.critical("fold failed", exc_info=problem)
                die(f"fold: {problem!r}", exit_code_of(problem))
        for task in tasks:
            task.cancel()
        self._acquire_no_more()
        self.mirror(await self._pump.drain())
        await self._consumer.stop()

    async def turn(self, stopping: asyncio.Event) -> None:
        """Fold what a fetch brings; under back-pressure, wait until there is room."""
        if released := self._pump.releases():
            await self._reacquire(released)
        for key in self._pump.rewinds():
            self._seek(key)
        fetched = await self._fetched()
        if fetched:
            failpoint.hit("fetched")
        for tp, messages in fetched.items():
            key = Key(tp.topic, tp.partition)
            base = self._pump.base(key)
            records = [Record(m.offset + base, m.timestamp, m.value) for m in messages]
            if not await self._pump.consume(key, records) and key in self._pump.owned:
                self._seek(key)
        # While records are at hand `getmany` never waits: heartbeats, commits and the watchdog would starve.
        await asyncio.sleep(0)
        while self._pump.full and not stopping.is_set():
            await self._pump.room()

    def _seek(self, key: Key) -> None:
        self._consumer.seek(aiokafka.TopicPartition(*key), self._pump.owned[key].position)

    async def _fetched(self) -> dict[aiokafka.TopicPartition, list[Any]]:
        """Records by partition; none when Kafka does not have the offsets that were asked for."""
        try:
            return await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)  # type: ignore[no-any-return]
        except OffsetOutOfRangeError as problem:
            await self._pump.out_of_range([Key(tp.topic, tp.partition) for tp in problem.args[0]])
        except NoOffsetForPartitionError:
            # The consumer looked for a position before it was given one; it has been sought meanwhile.
            _log.info("fetched before it was sought")
        return {}

    async def on_partitions_revoked(self, revoked: Iterable[aiokafka.TopicPartition]) -> None:
        """Forget everything: an assignment always comes next, and is acquired anew."""
        failpoint.hit("revoked")
        self._acquire_no_more()
        self._pump.forget()
        failpoint.hit("forgotten")

    async def on_partitions_assigned(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        """Own what is assigned, now or when Postgres is back, or end the process."""
        parts = list(assigned)
        try:
            async with asyncio.timeout(timing.ACQUIRE_S):
                await self.acquire(parts)
        except asyncio.CancelledError:
            raise
        except (Unavailable, TimeoutError) as problem:
            _log.warning(_NOT_YET, problem=str(problem) or repr(problem))
            self._consumer.pause(*parts)
            self._acquiring = background(self._acquire_later(parts), "acquisition")
        except BaseException as problem:  # noqa: BLE001 # aiokafka would log it and go on
            self._end(f"partitions could not be acquired: {problem!r}", exit_code_of(problem))

    async def _acquire_later(self, parts: list[aiokafka.TopicPartition]) -> None:
        """Own them when Postgres is back; outside a rebalance, so heartbeats go on."""
        async for attempt in attempts(_NOT_YET, Unavailable, TimeoutError, KafkaError):
            with attempt:
                async with asyncio.timeout(timing.ACQUIRE_S):
                    await self.acquire(parts)
        self._consumer.resume(*parts)

    def _acquire_no_more(self) -> None:
        if self._acquiring is not None:
            self._acquiring.cancel()
            self._acquiring = None

    async def acquire(self, assigned: list[aiokafka.TopicPartition]) -> None:
        """Own these partitions, seek to their checkpoints and fold them from now on."""
        failpoint.hit("assigned")
        self._pump.install(await self._ready(assigned))

    async def _reacquire(self, keys: list[Key]) -> None:
        """Own these partitions anew, as after a reset, while the others go on; or end the process."""
        before, assigned = self._pump.owned, self._consumer.assignment()
        wanted = [tp for key in keys if (tp := aiokafka.TopicPartition(*key)) in assigned]
        try:
            async with asyncio.timeout(timing.ACQUIRE_S):
                acquired = await self._ready(wanted)
        except (Unavailable, TimeoutError) as problem:
            _log.warning(_NOT_YET, problem=str(problem) or repr(problem))
            return
        except Exception as problem:  # noqa: BLE001 # as for an assignment
            self._end(f"partitions could not be acquired: {problem!r}", exit_code_of(problem))
            return
        # Another assignment may have come meanwhile, and with it other owners.
        if self._pump.owned is before:
            self._pump.add(acquired)

    async def _ready(self, assigned: list[aiokafka.TopicPartition]) -> dict[Key, OwnedPartition[Any]]:
        """These partitions, owned, with the consumer at their checkpoints."""
        acquired = await self._pump.acquire(Key(tp.topic, tp.partition) for tp in assigned)
        failpoint.hit("acquired")
        for tp in assigned:
            self._consumer.seek(tp, acquired[Key(tp.topic, tp.partition)].position)
        failpoint.hit("sought")
        return acquired

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
        auto_offset_reset="none",
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        session_timeout_ms=int(timing.SESSION_S * 1000),
        heartbeat_interval_ms=int(timing.HEARTBEAT_S * 1000),
        rebalance_timeout_ms=int(timing.REBALANCE_S * 1000),
        request_timeout_ms=int(timing.REQUEST_S * 1000),
        max_poll_interval_ms=int(timing.MAX_POLL_S * 1000),
        fetch_max_wait_ms=timing.FETCH_WAIT_MS,
        max_partition_fetch_bytes=timing.MAX_FETCH_BYTES,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )


async def _started(consumer: aiokafka.AIOKafkaConsumer, stopping: asyncio.Event) -> None:
    async for attempt in attempts("Kafka does not answer; trying again", KafkaError):
        with attempt:
            if stopping.is_set():
                return
            await consumer.start()
    async for attempt in attempts("Kafka names no broker; asking again", KafkaError):
        with attempt:
            if stopping.is_set():
                return
            await require_brokers(consumer._client)  # noqa: SLF001 # the only way to it
