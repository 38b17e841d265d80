"""Since when tables that are partitioned by time have rows: what is older has gone, or is in the archive alone.

Milliseconds UTC. What is known is asked for again after a minute: partitions go by the hour at most.
"""

from shared.postgres.connections import Pool, connection
from shared.postgres.instants import ms_of
from shared.runtime.clock import monotonic_s

LIFE_S = 60.0
"""How long it is remembered."""

OLDEST = r"""
SELECT min(to_timestamp(right(c.relname, 13), 'YYYYMMDD"t"HH24MI')::timestamp AT TIME ZONE 'UTC')
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass AND c.relname ~ '_\d{8}t\d{4}$'
"""
"""When the oldest partition of a table begins, by its name."""


class KeptSince:
    """Says it of each table that it is asked for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, int]] = {}

    async def ms(self, table: str) -> int:
        """Rows before this are not in the table; 0 where it has no partitions. Raises `Unavailable`."""
        known = self._known.get(table)
        if known is not None and monotonic_s() - known[0] < LIFE_S:
            return known[1]
        async with connection(self._pool) as conn:
            oldest = await conn.fetchval(OLDEST, table)
        found = 0 if oldest is None else ms_of(oldest)
        self._known[table] = monotonic_s(), found
        return found
