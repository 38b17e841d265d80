"""The pump on Faust: a stream of events to one agent. The only module that imports Faust.

It is written against faust-streaming 0.15.3 and about fifteen of its internal names. Seven guards (G1 to G7 in the
comments) were found necessary on a real broker; the contract suite tests them. The agent never raises, because Faust
acknowledges an event that raised. Partitions are acquired once for each assignment; otherwise they are rewound.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import faust
import mode
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver

from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background, die
from shared.runtime.retry import attempts
from shared.stream import group as timing
from shared.stream.group import Group
from shared.stream.owned import OwnedPartition, check_bounds
from shared.stream.processor import Key, Record
from shared.stream.pump import Pump
from shared.stream.runtimes.watchdog import Watchdog

BUFFERED = 64
"""Records between Faust's fetcher and the agent; each is at most 1 MiB."""

REWIND_EVERY_S = 0.5
"""Shortest time between two rewinds of a partition that has a gap."""

_ACQUIRE_S = 8.0
"""Heartbeats go on in Faust's own thread meanwhile; beyond the request timeout, recovery would end in silence."""

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


class _Consumer(driver.Consumer):  # type: ignore[misc]  # Faust's drivers are not typed
    pump: Pump[Any]
    assignments = 0
    seek_due = False
    """True from an assignment until its first seek."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
                await self._acquire(self.assignments)
            else:
                await self.rewind(list(self.pump.owned))

    async def _acquire(self, number: int) -> None:
        try:
            async with asyncio.timeout(_ACQUIRE_S):
                await self._acquired(number)
        except asyncio.CancelledError:
            raise
        except BaseException as problem:  # noqa: BLE001 # G5: Faust would end its recovery in silence
            die(f"partitions could not be acquired: {problem!r}")

    async def _acquired(self, number: int) -> None:
        assigned = self.assigned()
        acquired = await self.pump.acquire(assigned)
        start = await self._starts(assigned, acquired)
        if number == self.assignments:
            await self.seek_wait(start)
        if number == self.assignments:
            self.pump.install(acquired)
            self.seek_due = False

    async def _starts(
        self, assigned: Mapping[Key, Any], acquired: Mapping[Key, OwnedPartition[Any]]
    ) -> dict[Any, int]:
        tps = list(assigned.values())
        earliest = await self.earliest_offsets(*tps)
        ends = await self.highwaters(*tps)
        return {tp: check_bounds(acquired[key], earliest[tp], ends[tp]) for key, tp in assigned.items()}

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
            await self.seek_wait({assigned[key]: self.pump.owned[key].next for key in due})


async def run(pump: Pump[Any], group: Group, stopping: asyncio.Event) -> None:
    """Consume until `stopping` is set; then commit, leave the group and return."""
    if not await _kafka_answers(group, stopping):
        return
    with tempfile.TemporaryDirectory() as folder:
        app = _app(pump, group, folder, stopping)
        watchdog = Watchdog(
            {
                pump.fenced: timing.FENCED_S,
                pump.hole: timing.SETTLE_S,
                _crash(app): 0.0,
                _coordination(app): 0.0,
                _flow(app): timing.SETTLE_S,
            }
        )
        watchdog.start()
        mirror = _Mirror(app)
        tasks = [background(pump.run_commits(mirror), "commits"), background(_resume(pump, app), "resumed")]
        await app.start()
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await pump.drain()
        await app.stop()


async def _resume(pump: Pump[Any], app: Any) -> None:
    """Go back to where partitions stopped that are resumed: in a quiet one no record would show the gap."""
    while True:
        await asyncio.sleep(REWIND_EVERY_S)
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
                await client.bootstrap()
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
    record = Record(message.offset, int(message.timestamp * 1000), message.value)
    try:
        if not pump.take(key, [record]):
            await app.consumer.rewind([key], REWIND_EVERY_S)
        while pump.full and not stopping.is_set():
            await pump.room()
    except Exception as problem:  # noqa: BLE001 # Faust acknowledges what an agent raised on
        _log.critical("fold failed", exc_info=problem)
        die(f"fold: {problem!r}")


_SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "consumer_auto_offset_reset": "earliest",
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


def _crash(app: Any) -> Any:
    return lambda: f"Faust crashed: {app.crash_reason!r}" if app.crashed else None


def _coordination(app: Any) -> Any:
    # G3: aiokafka parks a fatal group error until somebody asks for it, and Faust never does.
    def symptom() -> str | None:
        consumer = app.consumer._thread._consumer if app.consumer and app.consumer._thread else None
        group = consumer and consumer._coordinator
        if app.should_stop or not group:
            return None
        if group._pending_exception or group._coordination_task.done():
            return f"group coordination ended: {group._pending_exception!r}"
        return None

    return symptom


def _flow(app: Any) -> Any:
    def symptom() -> str | None:
        if app.should_stop or not app.consumer or not app.consumer._thread:
            return None
        stuck = app.rebalancing or not app.consumer.flow_active or app.consumer._thread.crashed
        return "rebalance without end" if stuck else None

    return symptom
