"""Merged groups: the prepared groups of all partitions in one row, for windows of 15 minutes.

Times are milliseconds UTC. Who merges looks at the windows that every partition has closed. Invariant: a merged row is
read only while the rows of partitions that it was made of stand, so it says what they say, whoever wrote it and when.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from shared.model.rollup import merged
from shared.model.window import TIERS_MS
from shared.postgres import planning
from shared.postgres.connections import Connection, Pool, connection
from shared.postgres.instants import at, ms_of
from shared.wire.rollups import WindowBatch
from shared.wire.stored import groups
from shared.wire.versions import NEW

TIER_MS = TIERS_MS[-1]
"""The resolution whose groups are merged: a day of it has 96 windows, an hour of the others fewer rows than that."""

TABLE = "merged_group_15m"

BACK_MS = 26 * 3_600_000
"""How far back rows are looked for that are not merged, or were revised since: a day and some."""

PORTION = 50
"""Rows that are merged and written at once."""

MADE_OF = """
md5((SELECT system_identifier FROM pg_control_system())::text
    || string_agg(format(' %s %s %s', g.partition, g.xmin, g.ctid), '' ORDER BY g.partition))::uuid
"""
"""The versions of the rows of partitions. A row that is written anew has another version; rows of a restored dump have
those of another cluster."""

_CLOSED = """
SELECT min(coalesce(watermark_ms, 0)) FROM partition_state
WHERE topic = $1
    AND partition < (SELECT coalesce(max(routed_by), max(partition) + 1) FROM partition_state WHERE topic = $1)
"""

_WANTED = f"""
SELECT p.window_start, p.tenant_id, p.metric, p.label_set
FROM (SELECT window_start, tenant_id, metric, label_set, {MADE_OF} AS made_of FROM rollup_group_15m g
      WHERE topic = $1 AND window_start >= $2 AND window_start < $3
      GROUP BY window_start, tenant_id, metric, label_set HAVING count(*) > 1) p
LEFT JOIN (SELECT * FROM {TABLE} WHERE topic = $1 AND window_start >= $2 AND window_start < $3) m
    USING (window_start, tenant_id, metric, label_set)
WHERE m.made_of IS DISTINCT FROM p.made_of
ORDER BY window_start DESC, tenant_id, metric, label_set
"""  # noqa: S608 # the text is a constant

_PARTS = f"""
SELECT g.window_start, g.tenant_id, g.metric, g.label_set, {MADE_OF}, array_agg(g.packed ORDER BY g.partition)
FROM unnest($2::timestamptz[], $3::bigint[], $4::text[], $5::text[])
    AS wanted (window_start, tenant_id, metric, label_set)
JOIN rollup_group_15m g USING (window_start, tenant_id, metric, label_set)
WHERE g.topic = $1 GROUP BY g.window_start, g.tenant_id, g.metric, g.label_set
"""  # noqa: S608 # the text is a constant

_WRITE = f"""
INSERT INTO {TABLE} (topic, window_start, tenant_id, metric, label_set, made_of, packed)
SELECT $1, * FROM unnest($2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::bytea[])
ON CONFLICT (tenant_id, metric, label_set, window_start, topic)
    DO UPDATE SET made_of = excluded.made_of, packed = excluded.packed
"""  # noqa: S608 # the text is a constant

READ = f"""
SELECT m.window_start, m.packed
FROM (SELECT window_start, {MADE_OF} AS made_of FROM rollup_group_15m g
      WHERE tenant_id = $1 AND metric = $2 AND label_set = $3 AND window_start >= $4 AND window_start < $5
          AND topic = $6
      GROUP BY window_start) p
JOIN {TABLE} m USING (window_start, made_of)
WHERE m.tenant_id = $1 AND m.metric = $2 AND m.label_set = $3 AND m.window_start >= $4 AND m.window_start < $5
    AND m.topic = $6
"""  # noqa: S608 # the text is a constant
"""The merged rows of a range that say what the rows of partitions say now."""

_IN_BULK, _BY_KEY = planning.local(planning.IN_BULK), planning.local(planning.BY_KEY)


class Key(NamedTuple):
    """What a row is the groups of."""

    window_start: datetime
    tenant_id: int
    metric: str
    label_set: str


async def closed_until_ms(pool: Pool, topic: str) -> int:
    """Every partition that points are routed to has closed the windows of the tier that end at or before this."""
    async with connection(pool) as conn:
        mark_ms = await conn.fetchval(_CLOSED, topic) or 0
    return int(mark_ms) // TIER_MS * TIER_MS


async def catch_up(pool: Pool, topic: str, until_ms: int) -> int:
    """Merge what has closed before a time and is not merged as it stands: how many rows. Raises `Unavailable`."""
    span = at(until_ms - BACK_MS), at(until_ms)
    async with connection(pool) as conn, conn.transaction():
        await conn.execute(_IN_BULK)
        wanted = [Key(*row) for row in await conn.fetch(_WANTED, topic, *span)]
    for first in range(0, len(wanted), PORTION):
        async with connection(pool) as conn, conn.transaction():
            await conn.execute(_BY_KEY)
            await _merge(conn, topic, wanted[first : first + PORTION])
    return len(wanted)


async def _merge(conn: Connection, topic: str, keys: Sequence[Key]) -> None:
    found = await conn.fetch(_PARTS, topic, *map(list, zip(*keys, strict=True)))
    rows = [
        (*key, made_of, await asyncio.to_thread(merge, packed, ms_of(key[0])))
        for *key, made_of, packed in found
    ]
    if rows:
        await conn.execute(_WRITE, topic, *map(list, zip(*rows, strict=True)))


def merge(packed: Sequence[bytes], start_ms: int) -> bytes:
    """The groups of several partitions in one window as one value. Raises as `groups.decode` does."""
    series, rows = groups.decode_all(packed)
    names = sorted({name for one in series for name in one})
    place = {name: number for number, name in enumerate(names)}
    cell = np.array([place[name] for one in series for name in one], np.int64)
    whole = replace(merged(rows, cell, len(names)), start_ms=np.full(len(names), start_ms))
    # No build before the tables of merged groups reads them, so none needs the older version.
    return groups.encode(WindowBatch(0, True, 0, 0, names, whole, TIER_MS), NEW)
