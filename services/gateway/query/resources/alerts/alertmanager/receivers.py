"""The names of receivers, as dispatch has written them beside notifications.

Receivers are settings of the alert service; the gateway knows those that something was sent to within a week.
"""

from shared.postgres.connections import Pool, connection

MAX_RECEIVERS = 100
"""Most names of one answer."""

NAMES = """
WITH RECURSIVE found AS (
    (SELECT receiver FROM notification ORDER BY receiver LIMIT 1)
    UNION ALL
    SELECT (SELECT n.receiver FROM notification n WHERE n.receiver > found.receiver ORDER BY n.receiver LIMIT 1)
    FROM found WHERE found.receiver IS NOT NULL
)
SELECT receiver FROM found WHERE receiver IS NOT NULL LIMIT $1
"""
"""One step of the index a name, however many notifications there are."""


class PostgresReceivers:
    """Knows receivers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def names(self) -> list[str]:
        """Their names in order. Raises `Unavailable`."""
        async with connection(self._pool) as conn:
            return [row["receiver"] for row in await conn.fetch(NAMES, MAX_RECEIVERS)]
