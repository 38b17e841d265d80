"""Assembles the aggregator: the pump drives the fold, one task shows open windows, another checks the ledger.

Spans are seconds. A failure to show live windows or to check the ledger is logged and does no harm. Any other failure
ends the process.
"""

import asyncio
import os
import socket

import structlog

from services.aggregator.adapters import bounds, repeats
from services.aggregator.adapters.groups import GroupTables
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.ledger import LedgerWatch
from services.aggregator.adapters.postgres import MAINTENANCE, RollupTables
from services.aggregator.adapters.redis import LiveKeys
from services.aggregator.adapters.stream import Aggregation, PointFold
from services.aggregator.domain.work import RollupWork
from services.aggregator.ports import LiveWindow, LiveWindows
from services.aggregator.service import PartitionFold
from services.aggregator.settings import Settings
from shared.errors import TidegaugeError, Unavailable
from shared.model.bound import Bound
from shared.postgres import connections, installation, maintenance, schema
from shared.prepared import label_sets_file, merged
from shared.runtime import instruments, redis
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import background, stop_event
from shared.stream import dead_letters
from shared.stream.containment.death_store import DeathTable
from shared.stream.group import Group
from shared.stream.log.expected import ExpectedTopics
from shared.stream.log.reader import KafkaLog
from shared.stream.ownership import Ownership
from shared.stream.processor import Key
from shared.stream.pump import Pump
from shared.stream.runtimes import choice
from shared.wire.series import keyed
from shared.wire.topics import METRICS

GROUP = "tidegauge-aggregator"
"""Consumer group; its offsets are a mirror for lag tools."""

LOOK_S = 60.0
"""Time between two checks of the ledger."""

TELL_S = 4.0
"""Time between two points of a difference: every window of 10 s has one."""

_log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Aggregate until SIGTERM or SIGINT; raises what the process cannot go on from."""
    sets = label_sets_file.load(settings.label_sets)
    stopping = stop_event()
    owner = f"aggregator-{socket.gethostname()}-{os.getpid()}"
    pool = await connections.pool(settings.postgres, settings.pool_size)
    check = ExpectedTopics(pool)
    sender = Sender(settings.kafka, owner, check=check)
    client = redis.client(settings.redis)
    version = settings.write_version
    topic = WindowTopic(sender, settings.topic_prefix, version)
    log = KafkaLog(settings.kafka, owner)
    await schema.require(pool, stopping)
    id_of = keyed(await installation.series_secret(pool, stopping))
    tables = RollupTables(version, id_of, GroupTables(sets, version))
    aggregation = Aggregation(tables, repeats.BatchIds(version), topic, version, id_of)
    pump = Pump(aggregation, Ownership(pool, owner), log, DeathTable(pool))
    await maintenance.begin(pool, (*MAINTENANCE, *repeats.MAINTENANCE, *dead_letters.MAINTENANCE), stopping)
    keys = LiveKeys(client, settings.topic_prefix, version)
    live_sender = Sender(settings.kafka, f"{owner}-live", check=check)
    live_topic = WindowTopic(live_sender, settings.topic_prefix, version)
    background(_show(pump, (keys, live_topic), settings.live_every_ms / 1000), "live windows")
    ledger_sender = Sender(settings.kafka, f"{owner}-ledger", check=check)
    watch = LedgerWatch(pool, ledger_sender, owner, settings.topic_prefix, version, id_of=id_of)
    _alone(pump, pool, watch, settings)
    group = Group(
        settings.kafka, settings.topic_prefix + GROUP, (settings.topic_prefix + METRICS.name,), owner
    )
    instruments.serve(
        "aggregator",
        settings.metrics_host,
        settings.metrics_port,
        _bounds(pump),
        bounds.counts(lambda: _states(pump)),
    )
    await choice.run(settings.runtime, pump, group, stopping)
    closing = (sender.close(), live_sender.close(), ledger_sender.close(), log.close(), client.aclose())
    await asyncio.gather(*closing)
    pool.terminate()


def _bounds(pump: Pump[RollupWork]) -> tuple[Bound, ...]:
    """The bounds of everything in this process that may grow."""
    return *pump.bounds(), *bounds.bounds(lambda: _states(pump))


def _states(pump: Pump[RollupWork]) -> list[PartitionFold]:
    return [stream.state for stream in _streams(pump)]


def _streams(pump: Pump[RollupWork]) -> list[PointFold]:
    folds = [owned.fold for owned in list(pump.owned.values())]
    return [fold for fold in folds if isinstance(fold, PointFold)]


async def _show(pump: Pump[RollupWork], places: tuple[LiveWindows, ...], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        windows = [window for stream in _streams(pump) for window in _live(stream)]
        if windows:
            await asyncio.gather(*(_shown(place, windows) for place in places))


def _alone(pump: Pump[RollupWork], pool: connections.Pool, watch: LedgerWatch, settings: Settings) -> None:
    """Begin what one worker does for all: the owner of the first partition."""
    first = Key(settings.topic_prefix + METRICS.name, 0)
    background(_watch(pump, watch, first), "watch of the ledger")
    background(_merge(pump, pool, first), "merging of groups")


async def _watch(pump: Pump[RollupWork], watch: LedgerWatch, first: Key) -> None:
    """Watch while the first partition is owned."""
    looked_s: float | None = None
    while True:
        await asyncio.sleep(TELL_S)
        if first not in pump.owned:
            looked_s = None
            continue
        try:
            if looked_s is None or monotonic_s() - looked_s >= LOOK_S:
                if found := await watch.check():
                    _log.error("the ledger does not close", tenants=len({one.tenant_id for one in found}))
                looked_s = monotonic_s()
            await watch.publish(now_ms())
        except Unavailable as problem:
            _log.warning("the ledger was not watched", problem=str(problem))


async def _merge(pump: Pump[RollupWork], pool: connections.Pool, first: Key) -> None:
    """Merge the groups of quarters of an hour that have closed, while the first partition is owned."""
    merged_until_ms = 0
    while True:
        await asyncio.sleep(TELL_S)
        if first not in pump.owned:
            continue
        try:
            until_ms = await merged.closed_until_ms(pool, first.topic)
            if until_ms > merged_until_ms:
                await merged.catch_up(pool, first.topic, until_ms)
                merged_until_ms = until_ms
        except TidegaugeError as problem:
            _log.warning("groups were not merged", problem=str(problem))


async def _shown(place: LiveWindows, windows: list[LiveWindow]) -> None:
    try:
        await place.show(windows)
    except Unavailable as problem:
        _log.warning("live windows not shown", problem=str(problem))


def _live(stream: PointFold) -> list[LiveWindow]:
    state = stream.state
    return [
        LiveWindow(
            stream.key.partition, start, stream.next_offset, state.watermark_ms or 0, state.series, rows
        )
        for start, rows in state.live()
    ]
