"""latency_live and latency_closed: the time from a POST until a reader sees the point, 100 tries spread over a minute.

Seconds. Each try posts one point of a series of its own beside a light load, and polls the key in Redis and the row in
Postgres. One try whose point is never seen makes both figures invalid.
"""

import asyncio
import random
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import asyncpg
import orjson

from bench import feed, stand
from bench.figure import Invalid, Line, percentile, say
from deploy.local.stack import Stack
from shared.model.series import Series
from shared.model.window import BASE_MS, start_of
from shared.runtime import redis
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire import series as wire
from shared.wire.stored import live
from shared.wire.topics import DEFAULT_PARTITIONS

TRIES = 100
SPREAD_S = 60.0
POLL_S = 0.01
SEEN_S = 30.0
"""A point that is not seen within this time is lost."""
POINTS_PER_S = 2_000
POINTS_A_REQUEST = 50
GOAL_LIVE_S = 1.5


@dataclass(frozen=True, slots=True)
class Try:
    """The times of one point."""

    acked_s: float
    live_s: float
    """From the POST."""
    closed_s: float
    """From the end of its window."""
    row_s: float
    """From the POST to its row: all that a client sees who reads closed windows alone."""


@dataclass(frozen=True, slots=True)
class WindowWatch:
    """The connections through which the tries read."""

    room: stand.Room
    session: aiohttp.ClientSession
    cache: redis.Client
    database: "asyncpg.Pool[asyncpg.Record]"
    id_of: wire.SeriesId


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """Both lines."""
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            _, port = await stand.gateway(running, room)
            running.enter_context(stand.started(["services.aggregator"], folder, room.environ))
            async with (
                feed.client(port, room.key) as session,
                redis.client(stack.redis) as cache,
                asyncpg.create_pool(room.postgres, min_size=1, max_size=4) as database,
            ):
                id_of = wire.keyed(await database.fetchval("SELECT series_secret FROM installation"))
                tries = await _all(WindowWatch(room, session, cache, database, id_of))
    return _lines(tries)


async def _all(watch: WindowWatch) -> list[Try]:
    bodies, sent = feed.templates(500, POINTS_A_REQUEST, 40), feed.Sent()
    every_s = POINTS_A_REQUEST / POINTS_PER_S
    load = asyncio.create_task(
        feed.steady(watch.session, feed.Stream(feed.POINTS, bodies, POINTS_A_REQUEST, every_s), sent)
    )
    await _try(watch, -1, 0.0)
    chance, begin_s = random.Random(7), monotonic_s()
    delays = [(number + chance.random()) * SPREAD_S / TRIES for number in range(TRIES)]
    tries = await asyncio.gather(*(_try(watch, number, delay) for number, delay in enumerate(delays)))
    await feed.end(load)
    feed.check(sent, POINTS_PER_S * (monotonic_s() - begin_s))
    return tries


async def _try(watch: WindowWatch, number: int, delay_s: float) -> Try:
    await asyncio.sleep(delay_s)
    labels = {"service": "svc-00", "host": "host-000", "route": "/bench", "method": "GET", "try": str(number)}
    packed = wire.pack(
        Series(watch.room.tenant_id, "bench.latency", "gauge", "", tuple(sorted(labels.items())))
    )
    series_id = watch.id_of(packed)
    posted_ms, posted_s = now_ms(), monotonic_s()
    row = {"name": "bench.latency", "ts": posted_ms, "value": number + 0.5, "labels": labels}
    status = await feed.post(watch.session, orjson.dumps({"points": [row]}))
    if status != 202:
        raise Invalid(f"try {number}: answered {status}")
    acked_s = monotonic_s() - posted_s
    start_ms = start_of(posted_ms)
    key = live.key_of_all(watch.room.prefix, wire.partition_of(series_id, DEFAULT_PARTITIONS), start_ms)
    live_s = await _until_live(watch, key, packed, number + 0.5) - posted_s
    row_s = await _until_row(watch, series_id, start_ms) - posted_s
    return Try(acked_s, live_s, row_s - (start_ms + BASE_MS - posted_ms) / 1000, row_s)


async def _until_live(watch: WindowWatch, key: str, packed: bytes, value: float) -> float:
    """When the live window held the value; a window that closes first leaves its last live state in place."""
    end_s, before = monotonic_s() + SEEN_S, b""
    while monotonic_s() < end_s:
        found = cast("bytes | None", await watch.cache.get(key))
        seen_s = monotonic_s()
        if found is not None and found != before:
            before = found
            windows = live.decode(found)
            if packed in windows.series:
                rows = windows.rollups
                if value in rows.last[rows.slot == windows.series.index(packed)]:
                    return seen_s
        await asyncio.sleep(POLL_S)
    raise Invalid(f"{key}: the point was not seen within {SEEN_S:g} s")


async def _until_row(watch: WindowWatch, series_id: int, start_ms: int) -> float:
    end_s = monotonic_s() + SEEN_S
    end_of_window_s = monotonic_s() + (start_ms + BASE_MS - now_ms()) / 1000
    await asyncio.sleep(max(0.0, end_of_window_s - monotonic_s()))
    query = "SELECT 1 FROM rollup_10s WHERE window_start = to_timestamp($1 / 1000.0) AND series_id = $2"
    while monotonic_s() < end_s:
        if await watch.database.fetchval(query, start_ms, series_id):
            return monotonic_s()
        await asyncio.sleep(2 * POLL_S)
    raise Invalid(f"series {series_id}: no row within {SEEN_S:g} s")


def _lines(tries: list[Try]) -> list[Line]:
    acked, shown, closed, rows = zip(
        *((t.acked_s, t.live_s, t.closed_s, t.row_s) for t in tries), strict=True
    )
    conditions: dict[str, Any] = {"tries": len(tries), "points_per_s": POINTS_PER_S}
    conditions |= {"ack_p50": _s(acked, 0.5), "ack_p99": _s(acked, 0.99)}
    say(f"  p99 of {len(tries)} tries: live {_s(shown, 0.99)} s, closed {_s(closed, 0.99)} s")
    value, naive = _s(shown, 0.99), _s(rows, 0.99)
    means = "p99 of a client that reads closed rows alone: from its POST to the row in Postgres"
    own: dict[str, Any] = {
        "p50": _s(shown, 0.5),
        "p99": value,
        "naive_p50": _s(rows, 0.5),
        "naive_means": means,
    }
    none = "none: the disorder bound of 2 s is the floor, no window may close earlier"
    at_end: dict[str, Any] = {
        "p50": _s(closed, 0.5),
        "p99": _s(closed, 0.99),
        "naive_means": none,
        "floor": 2.0,
    }
    return [
        Line("latency_live", value, "s", naive, round(naive / value, 1), f"p99 <= {GOAL_LIVE_S:g}",
             value <= GOAL_LIVE_S, [_s(shown, 0), _s(shown, 1)], own | conditions),
        Line("latency_closed", at_end["p99"], "s", None, None, "none set", True, [_s(closed, 0), _s(closed, 1)],
             at_end | conditions),
    ]  # fmt: skip


def _s(values: tuple[float, ...], share: float) -> float:
    return round(percentile(values, share), 3)
