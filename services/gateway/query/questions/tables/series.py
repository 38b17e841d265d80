"""Reads closed rows of a selection as of one instant: those of prepared groups where they answer, else of series.

Times are milliseconds UTC. Rows travel as binary COPY, and are put together in a thread, so that the event loop is
free. What would read too many rows is refused before it is read.
"""

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import orjson
from cachetools import TTLCache

from services.gateway.query.questions.grouped import Grouped, Part, empty, grouped
from services.gateway.query.questions.ports import READING, Loaded, Standing
from services.gateway.query.questions.question import Refused
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.tables import prepared
from shared.model.rollup import Ints
from shared.model.series import Series
from shared.model.window import TIERS_MS
from shared.postgres import rollup_rows
from shared.postgres.connections import Connection, Pool, connection
from shared.postgres.instants import at
from shared.runtime.clock import monotonic_s

MAX_ROWS = 1_000_000
"""Rows of series that a question may read at a time."""

BLOCK_ROWS = 100_000
"""The same for a block that is kept whole, of which perhaps a part was asked for."""

READ_S = 30.0
"""Outer bound on reading them."""

STANDING_S = 0.1
"""How long it is remembered where the partitions stand."""

COUNTED_S, MAX_COUNTED = 10.0, 1_000
"""For how long, and of how many selections, the number of series is remembered: who asks for too much asks again."""

FEW_SERIES = 2_000
"""Up to so many are looked up one by one; more are read with all others of their metric."""

TABLES = dict(zip(TIERS_MS, ("rollup_10s", "rollup_1m", "rollup_15m"), strict=True))
"""The table of each tier."""

STANDING = """
SELECT partition, next_offset, coalesce(watermark_ms, 0)
FROM partition_state JOIN (SELECT coalesce(max(routed_by), max(partition) + 1) AS routed_by FROM partition_state
                           WHERE topic = $1) AS routed ON partition < routed.routed_by
WHERE topic = $1
"""
"""Where the partitions stand that records are routed to."""

COUNT = """
SELECT count(*) FROM series
WHERE tenant_id = $1 AND metric = $2 AND labels @> $3::jsonb AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR unit = $5)
"""
"""How many series may be asked for."""

SERIES = """
SELECT series_id, kind, unit, labels FROM series
WHERE tenant_id = $1 AND metric = $2 AND labels @> $3::jsonb AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR unit = $5)
ORDER BY series_id
"""
"""Series that may be asked for."""

ROWS_OF_FEW = """
SELECT {columns} FROM {table} r
WHERE r.window_start = ANY($1::timestamptz[]) AND r.series_id = ANY($2::bigint[])
ORDER BY r.window_start, r.series_id
"""
"""Rows that are looked up window by window and series by series."""

ROWS_OF_MANY = """
SELECT {columns} FROM {table} r
WHERE r.window_start >= $1 AND r.window_start < $2 AND r.series_id IN (
    SELECT series_id FROM series WHERE tenant_id = $3 AND metric = $4 AND labels @> $5::jsonb)
ORDER BY r.window_start, r.series_id
"""
"""Rows of all series of a metric."""


class PostgresBlocks:
    """Closed rows in `rollup_*`."""

    def __init__(self, pool: Pool, topic: str, most_rows: int = MAX_ROWS) -> None:
        self._pool = pool
        self._topic = topic
        self._most_rows = most_rows
        self._looking: asyncio.Task[dict[int, Standing]] | None = None
        self._looked_s = -STANDING_S
        self._stood: dict[int, Standing] = {}
        self._counted: TTLCache[tuple[object, ...], int] = TTLCache(MAX_COUNTED, COUNTED_S)

    async def standing(self) -> dict[int, Standing]:
        """Where each partition stood within the last `STANDING_S`: a report asks it of twenty questions at once."""
        if self._looking is None or self._looking.done():
            if monotonic_s() - self._looked_s < STANDING_S:
                return self._stood
            self._looking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._looking)

    async def _ask(self) -> dict[int, Standing]:
        begin_s = monotonic_s()
        async with connection(self._pool) as conn:
            self._stood = await self._standing(conn)
        self._looked_s = begin_s
        return self._stood

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """Rows of the windows of a tier that start in [from, to). Raises `Refused` where this costs too much."""
        if (read := READING.get()) is not None:
            read.loads += 1
        async with (
            connection(self._pool) as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            standing = await self._standing(conn)
            span = prepared.Span(tier_ms, from_ms, to_ms)
            packed = await prepared.packed(conn, selection, span, (self._topic, standing))
            if packed is None:
                await self._check(conn, selection, span)
                stored = await _stored(conn, selection, tier_ms, from_ms, to_ms)
        if packed is not None:
            return Loaded(
                await asyncio.to_thread(prepared.put_together, selection, packed, tier_ms), standing
            )
        if stored is None:
            return Loaded(empty(tier_ms), standing)
        return Loaded(await asyncio.to_thread(_put_together, selection, stored, tier_ms), standing)

    async def _check(self, conn: Connection, selection: Selection, span: prepared.Span) -> None:
        """Refuse what would read too many rows, before its series are looked at one by one."""
        windows = -(-(span.to_ms - span.from_ms) // span.tier_ms)
        counted = (selection.tenant_id, selection.metric, _equal(selection), selection.kind, selection.unit)
        series = self._counted.get(counted)
        if series is None:
            series = self._counted[counted] = await conn.fetchval(COUNT, *counted)
        if series * windows > self._most_rows:
            raise too_expensive(selection, series, windows, span, self._most_rows)

    async def _standing(self, conn: Connection) -> dict[int, Standing]:
        rows = await conn.fetch(STANDING, self._topic)
        return {partition: Standing(next_offset, mark) for partition, next_offset, mark in rows}


class StoredRows(NamedTuple):
    """Rows of series as they came."""

    owners: list[Series]
    ids: Ints
    """Of the owners, ascending."""
    stream: bytes


async def _stored(
    conn: Connection, selection: Selection, tier_ms: int, from_ms: int, to_ms: int
) -> StoredRows | None:
    """The rows of the series asked for, None where there are none."""
    ids, owners = await _series(conn, selection)
    windows = -(-(to_ms - from_ms) // tier_ms)
    if not owners or windows <= 0:
        return None
    arguments: tuple[Any, ...]
    if len(ids) <= FEW_SERIES:
        starts = [at(start) for start in range(from_ms, to_ms, tier_ms)]
        query, arguments = ROWS_OF_FEW, (starts, ids)
    else:
        span = at(from_ms), at(to_ms), selection.tenant_id, selection.metric
        query, arguments = ROWS_OF_MANY, (*span, _equal(selection))
    query = query.format(columns=rollup_rows.selected("0"), table=TABLES[tier_ms])
    found = await rollup_rows.stream(conn, query, *arguments, timeout_s=READ_S)
    return StoredRows(owners, np.array(ids, np.int64), found)


def _put_together(selection: Selection, stored: StoredRows, tier_ms: int) -> Grouped:
    parsed = rollup_rows.parsed(stored.stream)
    place = np.minimum(np.searchsorted(stored.ids, parsed.series_id), len(stored.ids) - 1)
    known = np.flatnonzero(stored.ids[place] == parsed.series_id)
    rows = replace(parsed.rollups.take(known), slot=place[known])
    return grouped(selection, [Part(stored.owners, rows)], tier_ms)


async def _series(conn: Connection, selection: Selection) -> tuple[list[int], list[Series]]:
    rows = await conn.fetch(
        SERIES, selection.tenant_id, selection.metric, _equal(selection), selection.kind, selection.unit
    )
    ids, owners = [], []
    for series_id, kind, unit, text in rows:
        labels = tuple(sorted(orjson.loads(text).items()))
        if selection.matches(labels):
            ids.append(series_id)
            owners.append(Series(selection.tenant_id, selection.metric, kind, unit, labels))
    return ids, owners


def _equal(selection: Selection) -> str:
    """What the labels of every series asked for hold, as far as Postgres can look for it."""
    pairs = {
        one.label: one.values[0]
        for one in selection.where
        if one.operator == "=" and not one.negated and one.values[0] and "\0" not in one.values[0]
    }
    return orjson.dumps(pairs).decode()


def too_expensive(selection: Selection, series: int, windows: int, span: prepared.Span, most: int) -> Refused:
    """The refusal of a question that would read too many rows, with the longest range that would not."""
    by = ", ".join(selection.by or ()) or "nothing"
    fitting = most // series * span.tier_ms
    return Refused(
        "too_expensive",
        f"by: {by} takes the rows of {series:,} series; {windows:,} windows of each are {series * windows:,} rows, "
        f"at most {most:,}",
        "/by",
        {"from": span.to_ms - fitting} if fitting else {"where": ["label=value"]},
        status=422,
    )
