"""Reads accounts from `ledger_1m`, merged over the partitions of a topic.

Times are milliseconds UTC outside and `timestamptz` inside. How far the log was processed is read first, so that the
accounts are at least as complete as the answer says.
"""

from collections.abc import Mapping

from services.gateway.query.resources.ledger.ledger_query import Minutes, TenantLedger
from shared.ledger import queries
from shared.postgres.connections import Pool, connection


class PostgresLedger:
    """Rows of `ledger_1m`; `topics` names the topic of each signal."""

    def __init__(self, pool: Pool, topics: Mapping[str, str]) -> None:
        self._pool = pool
        self._topics = topics

    async def ledger(self, tenant_id: int, signal: str, span: Minutes) -> TenantLedger:
        """What became of what a tenant sent."""
        topic = self._topics[signal]
        async with connection(self._pool) as conn:
            complete_until_ms = await queries.complete_until_ms(conn, topic)
            accounts = await queries.tenant_minutes(conn, tenant_id, topic, (span.from_ms, span.to_ms))
        return TenantLedger(accounts, complete_until_ms)
