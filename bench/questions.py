"""questions: how fast figures over 100,000 series and a day are answered, known and not known already.

Milliseconds from request to answer, the 95th percentile of a process that nothing else asks. The tables are filled
directly, rows of series and prepared groups alike, as the aggregator writes them; it merges the groups itself. Beside
them stand the same questions on rows of series, and on raw points of the same count in a plain table.
"""

import asyncio
import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import numpy as np

from bench import feed, stand
from bench.figure import Invalid, Line, percentile, rounded, say
from deploy.local.stack import Stack
from services.aggregator.adapters import copy
from shared.model import sketch
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import TIERS_MS, start_of
from shared.prepared import tables
from shared.prepared.grouping import SeriesCodec, SeriesGroups, grouped
from shared.prepared.label_sets import matches, text_of
from shared.prepared.label_sets_file import load
from shared.prepared.tables import Partition
from shared.runtime.clock import monotonic_s, now_ms
from shared.wire.series import pack, series_id, unpack
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS

FIGURES = ("quick_stats", "quick_stats_cold", "dashboard", "dashboard_cold", "by_label_cold")
GOALS_MS = dict(zip(FIGURES, (5, 50, 20, 100, 250), strict=True))

SERIES = 100_000
ENDPOINTS, METHODS, STATUSES = 50, ("GET", "POST"), ("200", "500")
BUCKETS = 4
QUARTER_MS, MINUTE_MS, DAY_MS = 900_000, 60_000, 86_400_000
METRIC = "api.response_seconds"
ASKED = {"quick_stats": 200, "dashboard": 100}
COLD = 20
SETS = load(str(stand.ROOT / "deploy/metrics.yml"))
PATHS = {"quick_stats": "/api/v1/analytics/quick-stats", "dashboard": "/api/v1/analytics/dashboard"}

_STANDS = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ($1, $2, 1, 'bench', 0, $3, '')
"""
_KEPT = """
INSERT INTO prepared_group (topic, partition, resolution_ms, pattern, label_set, since, epoch)
VALUES ($1, $2, $3, $4, $5, '-infinity', 1)
"""
_RAW = "CREATE UNLOGGED TABLE raw_point (ts timestamptz, endpoint text, value double precision)"
_MERGED = "SELECT count(*) FROM merged_group_15m"
_ON_RAW = """
SELECT endpoint, count(*), percentile_cont(0.95) WITHIN GROUP (ORDER BY value) FROM raw_point
GROUP BY endpoint ORDER BY 3 DESC LIMIT 20
"""
_ON_SERIES = """
SELECT labels->>'endpoint', sum(count), sketch_quantile(
    sketch_merge(sketch_of(sketch_bucket, sketch_weight)), 0.95, min(min), max(max))
FROM rollup_15m JOIN series USING (series_id)
WHERE tenant_id = $1 AND metric = 'api.response_seconds' AND window_start >= $2 AND window_start < $3
GROUP BY 1 ORDER BY 3 DESC LIMIT 20
"""


async def measure(stack: Stack, folder: Path) -> list[Line]:
    """The lines."""
    async with stand.room(stack, folder) as room:
        connection = await asyncpg.connect(room.postgres)
        try:
            end_ms = start_of(now_ms(), QUARTER_MS)
            await _fill(room, connection, end_ms)
            beside = await _beside(connection, room.tenant_id, end_ms)
        finally:
            await connection.close()
        with ExitStack() as running:
            # Their ticks carry time forward, so that what is known is known to be true.
            await stand.gateway(running, room)
            running.enter_context(stand.started(["services.aggregator"], folder, room.environ))
            _, port = await stand.gateway(running, room, GATEWAY_ROLE="query")
            await _merged(room)
            async with feed.client(port, room.key) as session:
                await _current(session, end_ms)
                took = {name: await _known(session, name) for name in ASKED}
                took |= {f"{name}_cold": await _cold(session, PATHS[name]) for name in ASKED}
                took["by_label_cold"] = await _by_label(session, end_ms)
    return [_line(name, took[name], beside) for name in FIGURES]


class Day:
    """Series, and their rows in any window."""

    def __init__(self, tenant_id: int) -> None:
        self.series = [
            Series(tenant_id, METRIC, "delta", "s", tuple(sorted(labels.items())))
            for number in range(SERIES)
            for labels in [
                {
                    "endpoint": f"/route/{number % ENDPOINTS}",
                    "method": METHODS[number // ENDPOINTS % 2],
                    "status": STATUSES[number // ENDPOINTS // 2 % 20 == 0],
                    "host": f"host-{number // ENDPOINTS // 4}",
                    "pod": f"pod-{number}",
                }
            ]
        ]
        packed = [pack(one) for one in self.series]
        ids = np.array([series_id(one) for one in packed])
        order = np.argsort(ids)
        self.series = [self.series[at] for at in order]
        self.packed = [packed[at] for at in order]
        self.ids = ids[order]
        self.partition = np.abs(self.ids) % DEFAULT_PARTITIONS
        chance = np.random.default_rng(1)
        base = 11_700 + 3 * (np.arange(SERIES) % ENDPOINTS)
        steps = np.sort(chance.integers(0, 120, (SERIES, BUCKETS)), axis=1) + np.arange(BUCKETS)
        self._bucket = (base[:, np.newaxis] + steps).astype(np.int16)
        self._weight = chance.integers(1, 9, (SERIES, BUCKETS)).astype(np.float64)

    def rows(self, start_ms: int) -> Rollups:
        """A row of each series."""
        count = self._weight.sum(axis=1)
        value = sketch.values_of(self._bucket.ravel()).reshape(SERIES, BUCKETS)
        zeros = np.zeros(SERIES, np.int64)
        return Rollups(
            slot=np.arange(SERIES), start_ms=np.full(SERIES, start_ms), count=count, samples=count,
            sum=(self._weight * value).sum(axis=1), min=value[:, 0], max=value[:, -1], last=value[:, 1],
            last_ms=np.full(SERIES, start_ms + 1), estimated=np.zeros(SERIES, np.bool_), revision=zeros,
            late_count=zeros,
            watermark_ms=np.full(SERIES, start_ms), sketch_at=np.arange(SERIES + 1) * BUCKETS,
            bucket=self._bucket.ravel(), weight=self._weight.ravel(), distinct_at=np.zeros(SERIES + 1, np.int64),
            register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
        )  # fmt: skip


async def _fill(room: stand.Room, connection: asyncpg.Connection, end_ms: int) -> None:
    """A day in rows of 15 minutes, its last hour in rows of a minute, all of it closed."""
    day, topic = Day(room.tenant_id), room.prefix + METRICS.name
    await connection.copy_records_to_table(
        "series",
        records=[
            (int(key), one.tenant_id, one.metric, one.kind, one.unit, json.dumps(dict(one.labels)))
            for key, one in zip(day.ids, day.series, strict=True)
        ],
        columns=["series_id", "tenant_id", "metric", "kind", "unit", "labels"],
    )
    owned = [np.flatnonzero(day.partition == part) for part in range(DEFAULT_PARTITIONS)]
    groupings = [
        SeriesGroups(SETS, SeriesCodec(unpack, pack)).of([day.packed[at] for at in each]) for each in owned
    ]
    for tier_ms, starts in (
        (TIERS_MS[2], range(end_ms - DAY_MS, end_ms, QUARTER_MS)),
        (TIERS_MS[1], range(end_ms - 3_600_000, end_ms, MINUTE_MS)),
    ):
        for place, start_ms in enumerate(starts):
            rows = day.rows(start_ms)
            await connection.copy_to_table(
                tables.SERIES_TABLES[tier_ms], source=copy.stream([(rows, day.ids)], sampled=True),
                columns=copy.columns(sampled=True), format="binary",
            )  # fmt: skip
            for part, (slots, grouping) in enumerate(zip(owned, groupings, strict=True)):
                mine = rows.take(slots)
                mine.slot = np.arange(len(slots))
                groups = grouped(grouping, mine)
                packed = [
                    one for each in groups for one in tables.records(Partition(topic, part), tier_ms, each, 5)
                ]
                await tables.add(connection, tier_ms, packed)
            if not place % 12:
                say(f"  {tier_ms // 1000} s: window {place + 1} of {len(starts)}")
    await _finish(connection, topic, end_ms)


async def _finish(connection: asyncpg.Connection, topic: str, end_ms: int) -> None:
    """Say where partitions stand and what they keep; raw points beside the rows."""
    for part in range(DEFAULT_PARTITIONS):
        await connection.execute(_STANDS, topic, part, end_ms)
        for tier_ms in TIERS_MS:
            for pattern, label_set in SETS.pairs():
                await connection.execute(_KEPT, topic, part, tier_ms, pattern, text_of(label_set))
    await connection.execute(_RAW)
    await connection.execute(
        "INSERT INTO raw_point SELECT r.window_start, s.labels->>'endpoint', r.last "
        "FROM rollup_15m r JOIN series s USING (series_id)"
    )
    await connection.execute("ANALYZE")


async def _beside(connection: asyncpg.Connection, tenant_id: int, end_ms: int) -> dict[str, float]:
    """Seconds of the question by label on raw points, one a series and window, and in SQL on rows of series."""
    found = {}
    begin_s = monotonic_s()
    await connection.fetch(_ON_RAW, timeout=600)
    found["raw_points_s"] = round(monotonic_s() - begin_s, 2)
    begin_s = monotonic_s()
    instants = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (end_ms - DAY_MS, end_ms))
    await connection.fetch(_ON_SERIES, tenant_id, *instants, timeout=1200)
    found["series_rows_s"] = round(monotonic_s() - begin_s, 2)
    say(
        f"  by label on raw points {found['raw_points_s']} s, in SQL on rows of series {found['series_rows_s']} s"
    )
    return found


async def _get(session: aiohttp.ClientSession, path: str) -> float:
    begin_s = monotonic_s()
    async with session.get(path) as answer:
        body = await answer.json()
    if answer.status != 200 or not body["requests"]["count"]:
        raise Invalid(f"{path}: {answer.status} {str(body)[:300]}")
    return (monotonic_s() - begin_s) * 1000


async def _is_known(session: aiohttp.ClientSession, path: str) -> bool:
    """Whether the cache has it. Of a log without a record yet, as here at first, nothing is known to be true."""
    async with session.get(path) as answer:
        return bool((await answer.json())["cached"])


async def _current(session: aiohttp.ClientSession, end_ms: int) -> None:
    """Wait until time has come further than the rows in every partition, so that all is complete."""
    question = {"metric": METRIC, "from": end_ms - 60_000, "to": end_ms + 60_000, "resolution": "1m"}
    async with asyncio.timeout(90):
        while True:
            async with session.post("/v1/query", json={"questions": [question]}) as answer:
                if all((await answer.json())["results"][0]["complete"][:1]):
                    return
            await asyncio.sleep(0.5)


async def _merged(room: stand.Room) -> None:
    """Wait until the aggregator has merged the day, as it does at the end of each quarter of an hour."""
    label_sets = {label_set for pattern, label_set in SETS.pairs() if matches(pattern, METRIC)}
    connection = await asyncpg.connect(room.postgres)
    try:
        async with asyncio.timeout(300):
            while True:
                if await connection.fetchval(_MERGED) >= 96 * len(label_sets):
                    return
                await asyncio.sleep(1)
    finally:
        await connection.close()


async def _known(session: aiohttp.ClientSession, name: str) -> list[float]:
    """Asked again and again, from the first answer on for which no table was read."""
    async with asyncio.timeout(90):
        while True:
            if await _is_known(session, PATHS[name]):
                break
            await asyncio.sleep(0.1)
    return [await _get(session, PATHS[name]) for _ in range(ASKED[name])]


async def _clear(session: aiohttp.ClientSession) -> None:
    async with session.delete("/v1/cache") as answer:
        if answer.status >= 300:
            raise Invalid(f"DELETE /v1/cache: {answer.status}")


async def _cold(session: aiohttp.ClientSession, path: str) -> list[float]:
    """Asked each time after everything was forgotten."""
    found = []
    for _ in range(COLD):
        await _clear(session)
        found.append(await _get(session, path))
    return found


async def _by_label(session: aiohttp.ClientSession, end_ms: int) -> list[float]:
    """The twenty slowest routes of the day, each time after everything was forgotten."""
    question = {
        "metric": METRIC, "aggregates": ["p95", "count"], "by": ["endpoint"], "top": {"n": 20, "of": "p95"},
        "resolution": "15m", "from": end_ms - DAY_MS, "to": end_ms,
    }  # fmt: skip
    found = []
    for _ in range(COLD):
        await _clear(session)
        begin_s = monotonic_s()
        async with session.post("/v1/query", json={"questions": [question]}) as answer:
            body: dict[str, Any] = await answer.json()
        found.append((monotonic_s() - begin_s) * 1000)
        if answer.status != 200 or len(body["results"][0]["series"]) != 20:
            raise Invalid(f"{answer.status} {str(body)[:300]}")
    return found


def _line(name: str, took_ms: Sequence[float], beside: dict[str, float]) -> Line:
    value, goal = percentile(took_ms, 0.95), GOALS_MS[name]
    conditions = {
        "naive_means": "the question by label in SQL on raw points, one a series and window", **beside,
        "series": SERIES, "rows": SERIES * 96, "asked": len(took_ms), "p50_ms": round(statistics.median(took_ms), 2),
    }  # fmt: skip
    naive_ms = beside["raw_points_s"] * 1000
    return Line(
        name, round(value, 2), "ms", naive_ms, round(naive_ms / value, 1), f"value <= {goal}", value <= goal,
        rounded(took_ms), conditions,
    )  # fmt: skip
