"""Reads closed windows of all tiers from Postgres.

Times are milliseconds UTC outside and `timestamptz` inside. Each question takes one statement, and all values are
parameters. An absent server raises `Unavailable`.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from services.gateway.query.resources.windows.windows import NAMED, Query, WindowRow
from shared.model import sketch
from shared.model.series import Series
from shared.model.window import TIERS_MS
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at, ms_of
from shared.postgres.partitions import KeptSince

CLOSED = """
SELECT s.kind, s.unit, s.labels, r.*
FROM {table} r JOIN series s USING (series_id)
WHERE s.tenant_id = $1 AND s.metric = $2 AND s.labels @> $3::jsonb
  AND r.window_start >= $4 AND r.window_start < $5
  AND ($7::timestamptz IS NULL OR ({position}) > ($7, $8::text, $9::text, $10::text, $11::text))
ORDER BY {position}
LIMIT $6
"""
"""Closed windows of a metric in the table of a tier after a position, in the order of positions."""

POSITION = (
    f'r.window_start, s.kind COLLATE "C", s.unit COLLATE "C", left(s.labels::text, {NAMED}) COLLATE "C", '
    'md5(s.labels::text) COLLATE "C"'
)
"""Where a row stands: as `windows.Position`."""

TABLES = dict(zip(TIERS_MS, ("rollup_10s", "rollup_1m", "rollup_15m"), strict=True))
"""The table of each resolution."""


class PostgresWindows:
    """Closed windows in `rollup_*`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept = KeptSince(pool)

    async def kept_since_ms(self, resolution_ms: int) -> int:
        """Windows of a tier that start before this are not in the tables."""
        return await self._kept.ms(TABLES[resolution_ms])

    async def closed(self, query: Query) -> Sequence[WindowRow]:
        """Up to `limit + 1` rows in order."""
        after = (None,) * 5 if query.after is None else (at(query.after.start_ms), *query.after[1:])
        since_ms = query.from_ms if query.after is None else max(query.from_ms, query.after.start_ms)
        labels = orjson.dumps(dict(query.labels)).decode()
        async with connection(self._pool) as conn:
            rows = await conn.fetch(
                CLOSED.format(table=TABLES[query.resolution_ms], position=POSITION),
                query.tenant_id,
                query.metric,
                labels,
                at(since_ms),
                at(query.to_ms),
                query.limit + 1,
                *after,
            )
        quantiles = sketch.quantile_tuples(_sketches(rows), query.quantiles)
        return [_window(row, query, found) for row, found in zip(rows, quantiles, strict=True)]


def _sketches(rows: Sequence[Any]) -> sketch.Sketches:
    sizes = [len(row["sketch_bucket"]) for row in rows]
    ends = (np.array([row[name] for row in rows], np.float64) for name in ("min", "max"))
    return sketch.Sketches(
        np.cumsum([0, *sizes], dtype=np.int64),
        np.fromiter(chain.from_iterable(row["sketch_bucket"] for row in rows), np.int16),
        np.fromiter(chain.from_iterable(row["sketch_weight"] for row in rows), np.float64),
        *ends,
    )


def _window(row: Any, query: Query, quantiles: tuple[float | None, ...]) -> WindowRow:
    labels = tuple(sorted(orjson.loads(row["labels"]).items()))
    return WindowRow(
        series=Series(query.tenant_id, query.metric, row["kind"], row["unit"], labels),
        start_ms=ms_of(row["window_start"]),
        count=row["count"],
        sum=row["sum"],
        min=row["min"],
        max=row["max"],
        last=row["last"],
        last_ms=None if row["last_at"] is None else ms_of(row["last_at"]),
        quantiles=quantiles,
        revision=row["revision"],
        late_count=row["late_count"],
        watermark_ms=ms_of(row["watermark"]),
        final=True,
        estimated=row["extremes_estimated"],
        samples=row["samples"],
        # The coarser tiers are kept up for as long as points may be late.
        kept_up=row.get("kept_up", True),
    )
