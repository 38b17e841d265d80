"""Reads funnels from `funnel_entry`: the database counts the sessions by step.

Times are milliseconds UTC outside and `timestamptz` inside. Each question takes one statement.
"""

from services.gateway.query.resources.funnels.funnel import Reach
from shared.model.funnel import Funnel
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at

REACHED = """
WITH entry AS (
    SELECT reached, reached_at FROM funnel_entry
    WHERE tenant_id = $1 AND funnel = $2 AND entered_at >= $3 AND entered_at < $4
)
SELECT step, count(*) AS sessions, percentile_cont(0.5) WITHIN GROUP (
    ORDER BY 1000 * extract(epoch FROM reached_at[step] - reached_at[step - 1])::double precision
) AS median_ms
FROM entry, generate_series(1, reached) AS step GROUP BY step
UNION ALL
SELECT NULL, coalesce(sum(out_of_order), 0), NULL FROM funnel_entry
WHERE tenant_id = $1 AND funnel = $2 AND first_at >= $3 AND first_at < $4
"""
"""A row for each step that was reached, counted from 1, and one without a step: what was out of order."""


class PostgresFunnels:
    """Sessions in `funnel_entry`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reach(self, tenant_id: int, funnel: Funnel, from_ms: int, to_ms: int) -> Reach:
        """How far the sessions came that entered in the range."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(REACHED, tenant_id, funnel.name, at(from_ms), at(to_ms))
        sessions: dict[int | None, int] = {row["step"]: row["sessions"] for row in rows}
        medians = {row["step"]: row["median_ms"] for row in rows}
        steps = range(1, len(funnel.steps) + 1)
        return Reach(
            tuple(sessions.get(step, 0) for step in steps),
            tuple(medians.get(step) for step in steps),
            sessions[None],
        )
