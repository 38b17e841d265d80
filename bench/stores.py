"""postgres_copy, redis_live: the cost of a closed and of a shown series-window, against the plainest way to write them.

Microseconds of CPU a series-window: of the session in Postgres, and of the client of Redis. Ten thousand series,
windows of 50 points each. Both sides write the same rows, and our rows are read back and compared.
"""

import resource
import statistics
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import asyncpg
import numpy as np
from redis import Redis

from bench import preload, stand
from bench.figure import PAIRS, Invalid, Line, rounded, say
from deploy.local.stack import Stack
from services.aggregator.adapters.postgres import TABLES, RollupTables
from services.aggregator.adapters.redis import LiveKeys
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.work import RollupWork
from services.aggregator.ports import LiveWindow
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.runtime import redis
from shared.runtime.clock import now_ms
from shared.stream.processor import Key
from shared.wire import series as wire
from shared.wire.stored import live

SERIES, POINTS_A_WINDOW, POINTS_A_MESSAGE = 10_000, 50, 1_000
LEAST = {"postgres_copy": 0.5, "redis_live": 10.0}
"""How many times better than the peer each must be: Postgres may cost twice, Redis a tenth."""


class Traffic:
    """The folds of all partitions under one window after another."""

    def __init__(self, tenant_id: int) -> None:
        self._owned = preload.by_partition(tenant_id, SERIES)
        self.folds = [
            PartitionFold(lambda _: None, wire.tenant_of, wire.kind_of, SeriesNames(wire.series_id))
            for _ in self._owned
        ]
        self._start_ms = start_of(now_ms(), TIERS_MS[-1])
        self._chance = np.random.default_rng(3)
        self._seq = 0

    def window(self) -> None:
        """Fill the next window; the one before closes."""
        for series, fold in zip(self._owned, self.folds, strict=True):
            for _ in range(len(series) * POINTS_A_WINDOW // POINTS_A_MESSAGE):
                self._seq += 1
                slot = self._chance.integers(0, len(series), POINTS_A_MESSAGE)
                spent = self._start_ms + self._chance.integers(3_000, BASE_MS, POINTS_A_MESSAGE)
                points = Points(slot, spent, self._chance.lognormal(3, 1, POINTS_A_MESSAGE))
                fold.fold(Arrival("bench", self._seq, int(spent.max()), series), points)
        self._start_ms += BASE_MS

    def works(self) -> dict[Key, RollupWork]:
        """What a commit would write now."""
        return {Key("bench", at): fold.checkpoint() for at, fold in enumerate(self.folds)}

    def live(self) -> list[LiveWindow]:
        """The open windows."""
        return [
            LiveWindow(at, start_ms, self._seq, fold.watermark_ms or 0, fold.series, rows)
            for at, fold in enumerate(self.folds)
            for start_ms, rows in fold.live()
        ]


async def measure_postgres(stack: Stack, folder: Path) -> list[Line]:
    """The line of Postgres; the peer is COPY of finished rows into the same tables of another database."""
    async with stand.room(stack, folder) as ours, stand.room(stack, folder) as theirs:
        traffic = Traffic(ours.tenant_id)
        own, peer = await asyncpg.connect(ours.postgres), await asyncpg.connect(theirs.postgres)
        try:
            traffic.window()
            await _saved(own, traffic.works())
            costs, peers = [], []
            for _ in range(2 * PAIRS):
                traffic.window()
                works = traffic.works()
                rows = sum(len(rows) for work in works.values() for rows in work.closed.values())
                costs.append(await _saved(own, works) / rows)
                peers.append(await _copied(own, peer, works) / rows)
                say(f"  {rows:,} rows: {costs[-1]:.2f} us a row, by COPY {peers[-1]:.2f}")
            await _same(own, peer)
        finally:
            await own.close()
            await peer.close()
    return [_line("postgres_copy", costs, peers, rows_a_commit=rows)]


async def _saved(conn: Any, works: Mapping[Key, RollupWork]) -> float:
    """Microseconds of the session for what a commit writes: rows, new series, open windows, ledger."""
    before = await _session_us(conn)
    async with conn.transaction():
        await RollupTables().save(conn, works)
    return await _session_us(conn) - before


async def _copied(own: Any, peer: Any, works: Mapping[Key, RollupWork]) -> float:
    """Microseconds of the peer's session for the same rows, finished, from memory."""
    parts = []
    for table, first, last in _spans(works):
        out = BytesIO()
        query = f"SELECT * FROM {table} WHERE window_start BETWEEN to_timestamp($1) AND to_timestamp($2)"
        await own.copy_from_query(query, first / 1000, last / 1000, output=out, format="binary")
        parts.append((table, out))
    before = await _session_us(peer)
    async with peer.transaction():
        for table, out in parts:
            out.seek(0)
            await peer.copy_to_table(table, source=out, format="binary")
    return await _session_us(peer) - before


def _spans(works: Mapping[Key, RollupWork]) -> Iterator[tuple[str, int, int]]:
    for resolution_ms, table in TABLES.items():
        closed = [
            work.closed[resolution_ms].start_ms for work in works.values() if resolution_ms in work.closed
        ]
        if closed:
            yield table, int(min(map(np.min, closed))), int(max(map(np.max, closed)))


async def _session_us(conn: Any) -> float:
    """CPU that the session's process has used."""
    pid = await conn.fetchval("SELECT pg_backend_pid()")
    # Nanoseconds on the CPU; the usual figures come in ticks of 10 ms.
    used = Path(f"/proc/{pid}/schedstat").read_text()  # noqa: ASYNC240  # no disk
    return int(used.split()[0]) / 1000


async def _same(own: Any, peer: Any) -> None:
    for table in TABLES.values():
        query = f"SELECT count(*), sum(count), max(sum), min(last) FROM {table}"
        if (written := await own.fetchrow(query)) != (copied := await peer.fetchrow(query)):
            raise Invalid(f"{table}: {written} written, {copied} copied")


async def measure_redis(stack: Stack, folder: Path) -> list[Line]:
    """The line of Redis; the peer is a pipeline of HSET and EXPIRE, one hash for each series and window."""
    async with stand.room(stack, folder) as room:
        traffic, client = Traffic(room.tenant_id), redis.client(stack.redis)
        keys = LiveKeys(client, room.prefix)
        costs, peers = [], []
        try:
            for _ in range(PAIRS):
                traffic.window()
                windows = traffic.live()
                rows = sum(len(window.rollups) for window in windows)
                before = _own_us()
                await keys.show(windows)
                costs.append((_own_us() - before) / rows)
                await _shown(client, room.prefix, windows, rows)
                before = _own_us()
                _hashes(stack.redis, room.prefix, windows)
                peers.append((_own_us() - before) / rows)
                say(f"  {rows:,} rows: {costs[-1]:.2f} us a row, by HSET {peers[-1]:.2f}")
        finally:
            await client.aclose()
    return [_line("redis_live", costs, peers, rows_shown=rows)]


async def _shown(client: redis.Client, prefix: str, windows: list[LiveWindow], rows: int) -> None:
    keys = [live.key_of_all(prefix, window.partition, window.start_ms) for window in windows]
    found = cast("list[bytes]", await client.mget(keys))
    read_back = sum(len(live.decode(value).rollups) for value in found)
    if read_back != rows:
        raise Invalid(f"{rows} rows shown, {read_back} read back")


def _hashes(address: str, prefix: str, windows: list[LiveWindow]) -> None:
    """By the client that costs least: it blocks."""
    with Redis.from_url(address) as client:
        for window in windows:
            pipe = client.pipeline(transaction=False)
            for name, fields in _fields(window.rollups):
                key = f"{prefix}{window.partition}:{window.start_ms}:{name}"
                pipe.hset(key, mapping=fields)
                pipe.expire(key, 120)
            pipe.execute()


def _fields(rows: Rollups) -> Iterator[tuple[int, dict[str, float]]]:
    names = ("count", "sum", "min", "max", "last")
    columns = [getattr(rows, name).tolist() for name in names]
    for slot, *values in zip(rows.slot.tolist(), *columns, strict=True):
        yield slot, dict(zip(names, values, strict=True))


def _own_us() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def _line(figure: str, costs: list[float], peers: list[float], **conditions: object) -> Line:
    """The line of medians: less is better."""
    ratio = statistics.median(peer / cost for cost, peer in zip(costs, peers, strict=True))
    value, naive = round(statistics.median(costs), 2), round(statistics.median(peers), 2)
    goal, least = f"ratio >= {LEAST[figure]:g}", LEAST[figure]
    shown = {"series": SERIES, "pairs": len(costs), **conditions}
    unit = "us of CPU a series-window"
    return Line(figure, value, unit, naive, round(ratio, 2), goal, ratio >= least, rounded(costs), shown)
