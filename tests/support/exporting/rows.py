"""Rows of one tenant in every table that can be exported, with nulls, empty texts, quotes and ends of lines."""

import json
from datetime import UTC, datetime, timedelta

import asyncpg

from shared.model.series import Series
from shared.wire import series

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)  # noqa: TID251
"""Yesterday: partitions of every table are there."""

AWKWARD = 'a "quoted", é*\\'
"""A value of a label."""

_SERIES = (
    "INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels) VALUES ($1, $2, $3, $4, $5, $6)"
)
_WINDOW = """
INSERT INTO rollup_1m (window_start, series_id, revision, late_count, count, samples, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight, extremes_estimated)
SELECT $1::timestamptz + make_interval(mins => n), $2, n % 3, n % 2, n + 0.1, nullif(n, 3), n / 3.0::double precision,
    nullif(n, 5), n, n / 7.0::double precision,
    $1::timestamptz + make_interval(mins => n, secs => 12.345), $1::timestamptz + interval '1 day',
    ARRAY[11900, 12000 + n % 100]::smallint[], ARRAY[n % 4 + 1, 0.5]::double precision[], n % 2 = 0
FROM generate_series(0, $3::integer - 1) AS n
"""
_EVENT = """
INSERT INTO event (ts, received_at, tenant_id, event_id, type, name, session_id, user_id, properties)
SELECT $1::timestamptz + make_interval(secs => n), $1::timestamptz + make_interval(secs => n + 0.25), $2, 'e' || n,
    CASE WHEN n % 2 = 0 THEN 'click' ELSE 'error' END, CASE WHEN n % 3 = 0 THEN '' ELSE E'two\\nlines, "n"' END,
    CASE WHEN n % 2 = 0 THEN 's' || n END, NULL, jsonb_build_object('n', n, 'deep', jsonb_build_array(1, 'x', NULL))
FROM generate_series(0, $3::integer - 1) AS n
"""
_FUNNEL = """
INSERT INTO funnel_entry (tenant_id, funnel, session_id, first_at, entered_at, reached, reached_at, out_of_order, step,
    step_at)
SELECT $2, 'effect_creation', 's' || n, $1::timestamptz + make_interval(secs => n),
    CASE WHEN n > 0 THEN $1::timestamptz END, n % 3,
    array_fill($1::timestamptz + interval '1.5 seconds', ARRAY[n % 3]), 0, ARRAY[0]::smallint[], ARRAY[$1::timestamptz]
FROM generate_series(0, $3::integer - 1) AS n
"""
_ALERT = """
INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms,
    value, threshold, expr, count, revision, watermark_ms, labels, key, recorded_at, fingerprint)
SELECT 'Slow', $4, n, 'firing', $2, 'above', 'live', n * 1000, n * 1000, 5.5, 5, 'x > 5', 3, 0, n * 1000 + 7,
    '{"endpoint": "/a"}', 'k' || n, $1::timestamptz + make_interval(secs => n), CASE WHEN n > 0 THEN 'f' END
FROM generate_series(0, $3::integer - 1) AS n
"""
_LEDGER = """
INSERT INTO ledger_1m (minute, tenant_id, topic, partition, outcome, count)
SELECT $1::timestamptz + make_interval(mins => n), $2, 'telemetry.metrics.v1', 0, 'counted', n
FROM generate_series(0, $3::integer - 1) AS n
"""


async def write(postgres: str, tenant_id: int, rows: int, endpoints: int = 2) -> None:
    """So many rows in each table, and windows of so many series."""
    conn = await asyncpg.connect(postgres)
    try:
        for number in range(endpoints):
            labels = {"endpoint": f"/{number}", "odd": AWKWARD} if number else {}
            owner = Series(tenant_id, "api.response_seconds", "delta", "s", tuple(sorted(labels.items())))
            key = series.series_id(series.pack(owner))
            await conn.execute(
                _SERIES, key, tenant_id, owner.metric, owner.kind, owner.unit, json.dumps(labels)
            )
            await conn.execute(_WINDOW, DAY, key, rows)
        for statement in (_EVENT, _FUNNEL, _LEDGER):
            await conn.execute(statement, DAY, tenant_id, rows)
        await conn.execute(_ALERT, DAY, tenant_id, rows, tenant_id)
    finally:
        await conn.close()
