"""Reads summaries of metrics from `rollup_10s`, and checkpoints from `partition_state`.

Times are milliseconds UTC outside and `timestamptz` inside. The database merges sketches by adding the weights of equal
buckets, so that little data is transferred.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.gateway.query.dashboard.dashboard import Span, Summary
from services.gateway.query.system.health import Partition
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at, ms_of

PLANNING = {"jit": "off", "plan_cache_mode": "force_custom_plan"}
"""Settings for these questions: compiling takes longer than they do, and how many windows are asked for decides
whether they are looked up one by one or read as a range."""

SUMMED = """
WITH member AS MATERIALIZED (
    SELECT series_id, metric, unit, kind, dense_rank() OVER (ORDER BY metric, unit, kind) AS place
    FROM series WHERE tenant_id = $1
), recent AS MATERIALIZED (
    SELECT place, window_start, count, samples, sum, min, max, sketch_bucket, sketch_weight
    FROM rollup_10s JOIN member USING (series_id) WHERE window_start = ANY($2::timestamptz[])
), shown AS MATERIALIZED (
    SELECT place, sum(count) AS count, CASE WHEN count(samples) = count(*) THEN sum(samples)::bigint END AS samples,
           sum(sum) AS sum, min(min) AS min, max(max) AS max,
           max(window_start) AS latest
    FROM recent GROUP BY place ORDER BY place LIMIT $3
), weighed AS (
    SELECT place, bucket, sum(weight) AS weight
    FROM (
        SELECT place, unnest(sketch_bucket) AS bucket, unnest(sketch_weight) AS weight
        FROM recent WHERE place <= (SELECT max(place) FROM shown)
    ) AS part
    GROUP BY place, bucket
), sketch AS (
    SELECT place, array_agg(bucket ORDER BY bucket) AS bucket, array_agg(weight ORDER BY bucket) AS weight
    FROM weighed GROUP BY place
)
SELECT metric, unit, kind, count, samples, sum, min, max, bucket, weight, latest
FROM shown JOIN (SELECT DISTINCT place, metric, unit, kind FROM member) AS named USING (place)
    LEFT JOIN sketch USING (place)
ORDER BY place
"""
"""Each metric of a tenant over some windows, all its series merged; a place stands for a metric, a unit and a kind."""

CHECKPOINTS = """
SELECT topic, owner <> '' AS owned, extract(epoch FROM clock_timestamp() - updated_at)::double precision, watermark_ms,
       stopped_at IS NOT NULL AS stopped
FROM partition_state LEFT JOIN breaker USING (topic, partition)
    JOIN (SELECT topic, coalesce(max(routed_by), max(partition) + 1) AS routed_by FROM partition_state
          WHERE topic = ANY($1) GROUP BY topic) AS routed USING (topic)
WHERE topic = ANY($1) AND (partition < routed.routed_by OR stopped_at IS NOT NULL)
"""
"""Partitions with the age of their last commit by the clock that wrote it. Those that were added later are left out:
nothing is routed to them, and they are stopped when they hold something all the same."""


class PostgresSummaries:
    """Metrics in `rollup_10s`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def summaries(self, tenant_id: int, span: Span, limit: int) -> Sequence[Summary]:
        """Up to `limit` metrics by name; `Unavailable` when they are too many to be merged in time."""
        starts = [at(start_ms) for start_ms in span.starts]
        async with connection(self._pool) as conn:
            rows = await conn.fetch(SUMMED, tenant_id, starts, limit)
        return [_summary(row) for row in rows]


class PostgresCheckpoints:
    """Partitions in `partition_state`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def partitions(self, topics: Sequence[str]) -> Sequence[Partition]:
        """Every partition of the topics that was ever acquired."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(CHECKPOINTS, topics)
        return [Partition(*row) for row in rows]


def _summary(row: Any) -> Summary:
    fields = dict(row)
    fields["bucket"] = np.array(fields["bucket"] or [], np.int16)
    fields["weight"] = np.array(fields["weight"] or [], np.float64)
    fields["latest_ms"] = ms_of(fields.pop("latest"))
    return Summary(**fields)
