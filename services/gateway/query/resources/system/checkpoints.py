"""Reads checkpoints from `partition_state`, for the health of the whole system.

Spans are seconds, watermarks milliseconds UTC.
"""

from collections.abc import Sequence

from services.gateway.query.resources.system.health import Partition
from shared.postgres.connections import Pool, connection

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


class PostgresCheckpoints:
    """Partitions in `partition_state`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def partitions(self, topics: Sequence[str]) -> Sequence[Partition]:
        """Every partition of the topics that was ever acquired."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(CHECKPOINTS, topics)
        return [Partition(*row) for row in rows]
