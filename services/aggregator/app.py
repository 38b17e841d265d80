"""Wires the aggregator: the pump drives the fold, a task shows open windows, a task keeps the partitions.

The law: showing live windows may fail without harm; nothing else may.
"""

import asyncio
import os
import socket

import structlog

from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables, keep_partitions
from services.aggregator.adapters.redis import LiveKeys
from services.aggregator.adapters.stream import Aggregation, PartitionStream
from services.aggregator.ports import LiveWindow, LiveWindows
from services.aggregator.service import Work
from services.aggregator.settings import Settings
from shared.errors import Unavailable
from shared.runtime import postgres, redis
from shared.runtime.kafka import Sender
from shared.runtime.lifecycle import background, stop_event
from shared.stream.group import Group
from shared.stream.ownership import Ownership
from shared.stream.pump import Pump
from shared.wire.topics import METRICS

GROUP = "tidegauge-aggregator"
"""Consumer group; its offsets are a mirror for lag tools."""

KEEP_PARTITIONS_EVERY_S = 3600.0
"""Time between two looks at the partitions of the tables."""

_RETRY_S = 1.0

_log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Aggregate until SIGTERM or SIGINT; raises what the process cannot go on from."""
    stopping = stop_event()
    owner = f"aggregator-{socket.gethostname()}-{os.getpid()}"
    pool = await postgres.pool(settings.postgres, settings.pool_size)
    sender = Sender(settings.kafka, owner)
    client = redis.client(settings.redis)
    topic = WindowTopic(sender, settings.topic_prefix)
    pump = Pump(Aggregation(RollupTables(), topic), Ownership(pool, owner))
    await _until_kept(pool, stopping)
    background(_keep_partitions(pool), "keep partitions")
    keys = LiveKeys(client, settings.topic_prefix)
    live_sender = Sender(settings.kafka, f"{owner}-live")
    live_topic = WindowTopic(live_sender, settings.topic_prefix)
    background(_show(pump, (keys, live_topic), settings.live_every_ms / 1000), "live windows")
    await _drive(pump, settings, owner, stopping)
    await asyncio.gather(sender.close(), live_sender.close(), client.aclose())
    pool.terminate()


async def _drive(pump: Pump[Work], settings: Settings, owner: str, stopping: asyncio.Event) -> None:
    prefix = settings.topic_prefix
    group = Group(settings.kafka, prefix + GROUP, (prefix + METRICS.name,), owner)
    if settings.runtime == "faust":
        from shared.stream import faust_runtime  # noqa: PLC0415  a second and 20 MB that the default does without

        await faust_runtime.run(pump, group, stopping)
    else:
        from shared.stream import aiokafka_runtime  # noqa: PLC0415  the other side of the same choice

        await aiokafka_runtime.run(pump, group, stopping)


async def _show(pump: Pump[Work], places: tuple[LiveWindows, ...], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        folds = [held.fold for held in pump.held.values()]
        windows = [window for fold in folds if isinstance(fold, PartitionStream) for window in _live(fold)]
        if windows:
            await asyncio.gather(*(_shown(place, windows) for place in places))


async def _shown(place: LiveWindows, windows: list[LiveWindow]) -> None:
    try:
        await place.show(windows)
    except Unavailable as problem:
        _log.warning("live windows not shown", problem=str(problem))


def _live(stream: PartitionStream) -> list[LiveWindow]:
    state = stream.state
    return [
        LiveWindow(
            stream.key.partition, start, stream.next_offset, state.watermark_ms or 0, state.series, rows
        )
        for start, rows in state.live()
    ]


async def _until_kept(pool: postgres.Pool, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await keep_partitions(pool)
        except Unavailable as problem:
            _log.warning("waiting for Postgres", problem=str(problem))
            await asyncio.sleep(_RETRY_S)
        else:
            return


async def _keep_partitions(pool: postgres.Pool) -> None:
    while True:
        await asyncio.sleep(KEEP_PARTITIONS_EVERY_S)
        try:
            await keep_partitions(pool)
        except Unavailable as problem:
            _log.warning("partitions not looked after", problem=str(problem))
