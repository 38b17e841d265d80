"""A month and more of rows of several tenants, old enough to be archived, in a database of a test's own."""

from datetime import UTC, datetime, timedelta

import asyncpg

from deploy.files.archive.run import run
from shared.postgres import connections
from shared.postgres.maintenance import Partitioned, keep, prepare
from shared.wire.topics import EVENTS, METRICS

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251
"""Midnight, for which partitions are."""

_SERIES = """
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels)
SELECT $1::bigint * 1000 + n, $1, CASE WHEN n < 4 THEN 'api.response_seconds' ELSE 'queue.depth' END,
    CASE WHEN n < 4 THEN 'delta' ELSE 'gauge' END, CASE WHEN n < 4 THEN 's' ELSE '' END,
    CASE WHEN n = 0 THEN '{}' ELSE jsonb_build_object('endpoint', '/' || n % 3, 'odd, "one"', 'é' || n) END
FROM generate_series(0, 5) AS n
"""

_WINDOWS = """
INSERT INTO {table} (window_start, series_id, revision, late_count, count, samples, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight, extremes_estimated, distinct_sketch)
SELECT start, series_id, n % 3, n % 2, n % 7 + 0.5, nullif(n % 5, 4), n / 4.0::double precision,
    nullif(n % 11, 10) / 8.0::double precision, n / 2.0::double precision, nullif(n % 13, 12),
    CASE WHEN n % 13 < 12 THEN start + interval '1.234 seconds' END, start + interval '1 hour',
    ARRAY[11000 + n % 500, 12000 + n % 100]::smallint[], ARRAY[1, n % 7 + 0.5]::double precision[], n % 2 = 0,
    CASE WHEN n % 4 = 0 THEN decode('000105', 'hex') || decode('0fff0' || (n % 9 + 1), 'hex') END
FROM series,
    generate_series($2::timestamptz, $3::timestamptz - $4::interval, $4::interval) WITH ORDINALITY AS starts (start, n)
WHERE tenant_id = $1
"""

_EVENTS = """
INSERT INTO event (ts, received_at, tenant_id, event_id, type, name, session_id, user_id, properties)
SELECT ts, ts + interval '1 second', $1, 'e' || n, 'click', E'a, "b"\\nc', CASE WHEN n % 2 = 0 THEN 's' END, NULL,
    jsonb_build_object('n', n, 'deep', jsonb_build_array(1, NULL))
FROM generate_series($2::timestamptz, $3::timestamptz - interval '1 hour', interval '1 hour')
    WITH ORDINALITY AS each (ts, n)
"""

STEPS = {"rollup_15m": timedelta(minutes=15), "rollup_1m": timedelta(minutes=1)}


async def fill(dsn: str, table: str, tenants: int, since: datetime, until: datetime) -> list[int]:
    """Rows of some tenants in a range; no tenant has rows on the second day but the first one."""
    conn = await asyncpg.connect(dsn)
    try:
        ids = [
            await conn.fetchval("INSERT INTO tenant (name) VALUES ($1) RETURNING tenant_id", f"t{number}")
            for number in range(tenants)
        ]
        for number, tenant_id in enumerate(ids):
            spans = [(since, until)] if number == 0 else [(since, since + DAY), (since + 2 * DAY, until)]
            await conn.execute(_SERIES, tenant_id)
            for begin, end in spans:
                if table == "event":
                    await conn.execute(_EVENTS, tenant_id, begin, end)
                else:
                    await conn.execute(_WINDOWS.format(table=table), tenant_id, begin, end, STEPS[table])
    finally:
        await conn.close()
    return ids


DAY = timedelta(days=1)

_STANDS = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ($1, $2, 1, 'test', 1, $3, '')
ON CONFLICT (topic, partition) DO UPDATE SET watermark_ms = excluded.watermark_ms
"""


async def set_time(dsn: str, at: datetime, prefix: str = "") -> None:
    """The watermark of both partitions of points; one of them is an hour ahead."""
    conn = await asyncpg.connect(dsn)
    try:
        for partition in range(2):
            mark = int((at + partition * timedelta(hours=1)).timestamp() * 1000)
            await conn.execute(_STANDS, prefix + METRICS.name, partition, mark)
        await conn.execute(_STANDS, prefix + EVENTS.name, 0, None)
    finally:
        await conn.close()


_KEEP = "UPDATE retention SET keep = make_interval(days => $2), archive = $3 WHERE table_name = $1"


async def keep_for(dsn: str, table: str, days: int, *, archive: bool = True) -> None:
    """How long rows are kept, and whether they are archived."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(_KEEP, table, days, archive)
    finally:
        await conn.close()


async def made(dsn: str, table: str) -> None:
    """Partitions as `retention` says."""
    pool = await connections.pool(dsn, 1)
    await prepare(pool, [Partitioned(table)])
    await pool.close()


async def expired(dsn: str, table: str) -> None:
    """Let go of what is past its retention."""
    pool = await connections.pool(dsn, 1)
    await keep(pool, [Partitioned(table)])
    await pool.close()


async def archived(dsn: str, folder: str) -> list[tuple[str, str]]:
    """Run the archive; the days that were written."""
    return [(one.table, str(one.day)) for one in await run(dsn, folder, "", lambda _: None)]
