"""Reads events from the table `event`, newest first, a page at a time.

Times are milliseconds UTC outside and `timestamptz` inside. A page begins after a place, which is a time and an id.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.gateway.query.resources.events.events import EventQuery
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import at, ms_of
from shared.postgres.partitions import KeptSince

PAGE = """
SELECT event_id, ts, received_at, type, name, session_id, user_id, properties
FROM event
WHERE tenant_id = $1 AND ts >= $2 AND (ts, event_id) < ($3, $4)
  AND ($5 = '' OR type = $5) AND ($6 = '' OR session_id = $6) AND ($7 = '' OR user_id = $7)
ORDER BY ts DESC, event_id DESC LIMIT $8
"""
"""A page of events; planned for what is asked for, so that the index of it is used."""


class PostgresEvents:
    """Events in `event`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept = KeptSince(pool)

    async def kept_since_ms(self) -> int:
        """Events before this are not in the table."""
        return await self._kept.ms("event")

    async def page(self, query: EventQuery, place: tuple[int, str]) -> Sequence[Mapping[str, Any]]:
        """Up to `limit + 1` events before the place, which is (milliseconds, id)."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(
                PAGE, query.tenant_id, at(query.from_ms), at(place[0]), place[1],
                query.type, query.session_id, query.user_id, query.limit + 1,
            )  # fmt: skip
        return [_shown(row) for row in rows]


def _shown(row: Any) -> Mapping[str, Any]:
    return {
        "event_id": row["event_id"],
        "ts_ms": ms_of(row["ts"]),
        "received_at_ms": ms_of(row["received_at"]),
        "type": row["type"],
        "name": row["name"],
        "session_id": row["session_id"],
        "user_id": row["user_id"],
        "properties": orjson.loads(row["properties"]),
    }
