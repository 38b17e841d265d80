"""Reads closed windows of all tiers from Postgres.

Times are milliseconds UTC outside and `timestamptz` inside. Each question takes one statement, and all values are
parameters. An absent server raises `Unavailable`.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from services.gateway.query.windows.windows import Query, WindowRow
from shared.model import sketch
from shared.model.series import Series
from shared.model.window import TIERS_MS
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at, ms_of

CLOSED = """
SELECT s.kind, s.unit, s.labels, r.*
FROM {table} r JOIN series s USING (series_id)
WHERE s.tenant_id = $1 AND s.metric = $2 AND s.labels @> $3::jsonb
  AND r.window_start >= $4 AND r.window_start < $5
ORDER BY r.window_start, s.kind, s.unit, s.labels
LIMIT $6
"""
"""Closed windows of a metric in the table of a tier, ordered by window and series."""

TABLES = dict(zip(TIERS_MS, ("rollup_10s", "rollup_1m", "rollup_15m"), strict=True))
"""The table of each resolution."""


class PostgresWindows:
    """Closed windows in `rollup_*`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def closed(self, query: Query) -> Sequence[WindowRow]:
        """Up to `limit + 1` rows in order."""
        labels = orjson.dumps(dict(query.labels)).decode()
        async with connection(self._pool) as conn:
            rows = await conn.fetch(
                CLOSED.format(table=TABLES[query.resolution_ms]),
                query.tenant_id,
                query.metric,
                labels,
                at(query.from_ms),
                at(query.to_ms),
                query.limit + 1,
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
