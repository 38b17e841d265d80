"""Fills the port for statements from `ledger_1m`, merged over the partitions of a topic.

Times are milliseconds UTC outside and `timestamptz` inside. The law: how far the log was read is looked up first, so
that a statement is never less complete than it says.
"""

from collections.abc import Mapping
from datetime import timedelta

from services.gateway.query.ledger.ledger_query import Minutes, TenantLedger
from shared.model.ledger import MINUTE_MS, Account
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at, ms_of

COMPLETE = (
    "SELECT min(watermark_ms) FROM partition_state WHERE topic = $1 HAVING bool_and(watermark_ms IS NOT NULL)"
)
"""The slowest watermark; null before the first message, and for topics without ticks."""

MINUTES = """
SELECT found.minute, found.outcome, sum(found.count)::bigint AS count
FROM generate_series($3::timestamptz, $4::timestamptz, $5::interval) AS wanted (minute)
CROSS JOIN LATERAL (
    SELECT l.minute, l.outcome, l.count FROM ledger_1m l
    WHERE l.minute = wanted.minute AND l.tenant_id = $1 AND l.topic = $2 OFFSET 0
) AS found
GROUP BY found.minute, found.outcome ORDER BY found.minute, found.outcome
"""
"""Minute by minute, for the rows of all other tenants lie in between."""

MINUTE = timedelta(milliseconds=MINUTE_MS)


class PostgresLedger:
    """Rows of `ledger_1m`; `topics` names the topic of each signal."""

    def __init__(self, pool: Pool, topics: Mapping[str, str]) -> None:
        self._pool = pool
        self._topics = topics

    async def ledger(self, tenant_id: int, signal: str, span: Minutes) -> TenantLedger:
        """What became of what a tenant sent."""
        topic, last_ms = self._topics[signal], span.to_ms - MINUTE_MS
        async with connection(self._pool) as conn:
            complete_until_ms = await conn.fetchval(COMPLETE, topic)
            rows = await conn.fetch(MINUTES, tenant_id, topic, at(span.from_ms), at(last_ms), MINUTE)
        minutes: dict[int, dict[str, int]] = {}
        for minute, outcome, count in rows:
            minutes.setdefault(ms_of(minute), {})[outcome] = count
        accounts = {minute_ms: Account(counts) for minute_ms, counts in minutes.items()}
        return TenantLedger(accounts, complete_until_ms)
