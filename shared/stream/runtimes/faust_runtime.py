"""The pump on Faust: a stream of events to one agent. The only module that imports Faust.

It is written against faust-streaming 0.15.3 and about fifteen of its internal names. Seven guards (G1 to G7 in the
comments) were found necessary on a real broker; the contract suite tests them. The agent never raises, because Faust
acknowledges an event that raised. Partitions are acquired once for each assignment; otherwise they are rewound.
"""

import asyncio
import tempfile
from collections.abc import Iterable
from typing import Any

import faust
import mode
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver

from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background, die, exit_code_of
from shared.runtime.metadata import METADATA_MAX_AGE_MS, require_brokers
from shared.runtime.retry import attempts, spread
from shared.stream import group as timing
from shared.stream.group import Group
from shared.stream.processor import Key, Record
from shared.stream.pump import Pump
from shared.stream.runtimes import faust_symptoms, pump_symptoms
from shared.stream.runtimes.watchdog import Watchdog

BUFFERED = 64
"""Records between Faust's fetcher and the agent; each is at most 1 MiB."""

REWIND_EVERY_S = 0.5
"""Shortest time between two rewinds of a partition that has a gap."""

_ACQUIRE_S = 8.0
"""Heartbeats go on in Faust's own thread meanwhile; beyond the request timeout, recovery would end in silence."""

_AGAIN_S, _AGAIN_EVERY_S = 4.0, 1.0
"""Limit of another attempt while Postgres is away, and the pause before it: Faust's own call may wait for one."""

_log = structlog.get_logger(__name__)


class _Blind(dict[Any, Any]):
    """G6: Faust drops records below its own read offsets, which a late delivery may raise after a seek."""

    def __getitem__(self, key: Any) -> None:
        return None

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust's drivers are not typed
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = timing.FETCH_WAIT_MS
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        # An offset that Kafka does not have is looked into by the pump, which lives on another loop.
        try:
            return await super()._fetch_records(*args, **kwargs)
        except OffsetOutOfRangeError as problem:
            self.consumer.out_of_range.update(Key(tp.topic, tp.partition) for tp in problem.args[0])
        except NoOffsetForPartitionError:
            _log.info("fetched before it was sought")
        return {}


class _Consumer(driver.Consumer):  # type: ignore[misc]  # Faust's drivers are not typed
    pump: Pump[Any]
    assignments = 0
    seek_due = False
    """True from an assignment until its first seek."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.out_of_range: set[Key] = set()
        """Partitions of whose offsets a fetch was told that Kafka does not have them."""
        self._seeking = asyncio.Lock()
        self._rewound_s: dict[Key, float] = {}
        self._read_offset = _Blind()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def assigned(self) -> dict[Key, Any]:
        """The assignment, by our keys."""
        return {Key(tp.topic, tp.partition): tp for tp in self.assignment()}

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.assignments += 1
        self.seek_due = False
        self.pump.forget()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        self.assignments += 1
        self.seek_due = True
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        # G1: getmany() calls this too, even in the middle of a revoke, so acquiring is for the first call alone.
        async with self._seeking:
            if self.seek_due:
                await self._acquire(self.assignments, _ACQUIRE_S)
            else:
                await self.rewind(list(self.pump.owned))

    async def _acquire(self, number: int, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._acquired(number)
        except asyncio.CancelledError:
            raise
        except (Unavailable, TimeoutError) as problem:
            _log.warning("partitions not acquired yet", problem=str(problem) or repr(problem))
            background(self._acquire_again(number), "acquisition")
        except BaseException as problem:  # noqa: BLE001 # G5: Faust would end its recovery in silence
            die(f"partitions could not be acquired: {problem!r}", exit_code_of(problem))

    async def _acquire_again(self, number: int) -> None:
        """Nothing is owned meanwhile: what Faust fetches is passed over, and fetched again after the seek."""
        await asyncio.sleep(spread(_AGAIN_EVERY_S))
        async with self._seeking:
            if self.seek_due and number == self.assignments:
                await self._acquire(number, _AGAIN_S)

    async def _acquired(self, number: int) -> None:
        assigned = self.assigned()
        acquired = await self.pump.acquire(assigned)
        start = {tp: acquired[key].position for key, tp in assigned.items()}
        if number == self.assignments:
            await self.seek_wait(start)
        if number == self.assignments:
            self.pump.install(acquired)
            self.seek_due = False

    async def reacquire(self, keys: Iterable[Key]) -> None:
        """Own these assigned partitions anew, as after a reset, while the others go on."""
        async with self._seeking:
            number, assigned = self.assignments, self.assigned()
            wanted = {key: assigned[key] for key in keys if key in assigned}
            try:
                acquired = await self.pump.acquire(wanted)
            except Unavailable as problem:
                _log.warning("partitions not acquired yet", problem=str(problem))
                return
            if number == self.assignments and not self.seek_due:
                await self.seek_wait({tp: acquired[key].position for key, tp in wanted.items()})
            if number == self.assignments and not self.seek_due:
                self.pump.add(acquired)

    async def rewind(self, keys: Iterable[Key], every_s: float = 0.0) -> None:
        """G2: go back to what the pump wants; always safe, for what it has is skipped."""
        assigned, now_s = self.assigned(), monotonic_s()
        due = [
            key
            for key in keys
            if key in assigned
            and key in self.pump.owned
            and now_s - self._rewound_s.get(key, -every_s) >= every_s
        ]
        self._rewound_s.update(dict.fromkeys(due, now_s))
        if due:
            await self.seek_wait({assigned[key]: self.pump.owned[key].position for key in due})


async def run(pump: Pump[Any], group: Group, stopping: asyncio.Event) -> None:
    """Consume until `stopping` is set; then commit, leave the group and return."""
    if not await _kafka_answers(group, stopping):
        return
    with tempfile.TemporaryDirectory() as folder:
        app = _app(pump, group, folder, stopping)
        watchdog = Watchdog(pump_symptoms.of(pump) | faust_symptoms.of(app))
        watchdog.start()
        mirror = _Mirror(app)
        tasks = [
            background(pump.run_commits(mirror), "commits"),
            background(pump.run_watch(group.topics), "watch of the logs"),
            background(_resume(pump, app), "resumed"),
        ]
        await app.start()
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await pump.drain()
        await app.stop()


async def _resume(pump: Pump[Any], app: Any) -> None:
    """Seek partitions that have another position now: in a quiet one no record would show it."""
    while True:
        await asyncio.sleep(REWIND_EVERY_S)
        missing, app.consumer.out_of_range = app.consumer.out_of_range, set()
        await pump.out_of_range(missing)
        if released := pump.releases():
            await app.consumer.reacquire(released)
        if resumed := pump.rewinds():
            await app.consumer.rewind(resumed)


async def _kafka_answers(group: Group, stopping: asyncio.Event) -> bool:
    """Wait for Kafka, as Faust does not: its start fails at the first refusal. False: told to stop meanwhile."""
    async for attempt in attempts("Kafka does not answer; trying again", KafkaError):
        with attempt:
            if stopping.is_set():
                break
            client = AIOKafkaClient(bootstrap_servers=group.bootstrap, client_id=group.client_id)
            try:
                await require_brokers(client)
            finally:
                await client.close()
    return not stopping.is_set()


def _app(pump: Pump[Any], group: Group, folder: str, stopping: asyncio.Event) -> Any:
    address = f"kafka://{group.bootstrap}"
    app = faust.App(
        group.group_id, broker=address, broker_client_id=group.client_id, datadir=folder, **_SETTINGS
    )
    consumer = type("PumpConsumer", (_Consumer,), {"pump": pump})
    transport = type("PumpTransport", (driver.Transport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker_consumer, app)
    topic = app.topic(
        *group.topics, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw"
    )

    async def reader(stream: Any) -> None:
        async for event in stream.noack().events():
            await _take(pump, app, event.message, stopping)

    app.agent(topic, concurrency=1)(reader)
    return app


async def _take(pump: Pump[Any], app: Any, message: Any, stopping: asyncio.Event) -> None:
    key = Key(message.topic, message.partition)
    # Faust hands over seconds; rounding gives the milliseconds back that the broker has written.
    record = Record(message.offset + pump.base(key), round(message.timestamp * 1000), message.value)
    try:
        if not await pump.consume(key, [record]):
            await app.consumer.rewind([key], REWIND_EVERY_S)
        while pump.full and not stopping.is_set():
            await pump.room()
    except Exception as problem:  # noqa: BLE001 # Faust acknowledges what an agent raised on
        _log.critical("fold failed", exc_info=problem)
        die(f"fold: {problem!r}", exit_code_of(problem))


_SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "consumer_auto_offset_reset": "none",
    "consumer_metadata_max_age_ms": METADATA_MAX_AGE_MS,
    "value_serializer": "raw",
    "key_serializer": "raw",
    "web_enabled": False,
    "topic_disable_leader": True,
    "topic_allow_declare": False,
    "table_standby_replicas": 0,
    "stream_wait_empty": False,
    "stream_buffer_maxsize": BUFFERED,
    "agent_supervisor": mode.CrashingSupervisor,
    "broker_session_timeout": timing.SESSION_S,
    "broker_heartbeat_interval": timing.HEARTBEAT_S,
    "broker_rebalance_timeout": timing.REBALANCE_S,
    "broker_request_timeout": timing.REQUEST_S,
    "broker_max_poll_interval": timing.MAX_POLL_S,
    "broker_max_poll_records": BUFFERED,
    "consumer_max_fetch_size": timing.MAX_FETCH_BYTES,
    "loghandlers": [],
    "worker_redirect_stdouts": False,
}


class _Mirror:
    """Tells Kafka the committed offsets, one request at a time, and nobody waits for it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._task: asyncio.Task[Any] | None = None

    def __call__(self, offsets: dict[Key, int]) -> None:
        if offsets and (self._task is None or self._task.done()):
            assigned = self._app.consumer.assigned()
            known = {assigned[key]: at for key, at in offsets.items() if key in assigned}
            self._task = asyncio.create_task(self._app.consumer._commit(known))
