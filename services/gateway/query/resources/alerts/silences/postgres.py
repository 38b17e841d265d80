"""Silences of one tenant, and the alerts that they are about.

Raises `Unavailable`. Each question takes a statement or two; what is made or ended is there when it returns.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from shared.alerts.silences import tables
from shared.alerts.silences.matchers import Matcher, Silence, matching
from shared.alerts.silences.tables import New, Stored
from shared.postgres.connections import Pool, connection

MAX_LASTING = 1_000
"""Silences of a tenant that have not ended."""

MAX_LISTED = 1_000
"""Most silences of one answer."""

MAX_READ = 10_000
"""Most alerts, and most label sets, that a preview looks at."""

ACTIVE = """
SELECT alert_id, rule, state, labels FROM alert_instance
WHERE tenant_id = $1 AND state = ANY($2) ORDER BY active_at_ms DESC LIMIT $3
"""

FIRED = """
SELECT labels, count(*) AS times FROM alert_event
WHERE tenant_id = $1 AND recorded_at > now() - interval '7 days' AND transition = 'firing' GROUP BY labels LIMIT $2
"""
"""How often alerts fired within the last seven days, by their labels."""

_ACTIVE_STATES = ("pending", "firing")


class LastingAlert(NamedTuple):
    """An alert that lasts."""

    alert_id: str
    rule: str
    state: str
    labels: dict[str, str]


class Preview(NamedTuple):
    """What a silence would be about."""

    now: Sequence[LastingAlert]
    """Alerts that are pending or firing, the newest first."""
    last_7_days: int
    """How often alerts with such labels fired."""
    truncated: bool
    """There are more alerts than were looked at."""


class PostgresSilences:
    """Knows silences and changes them; questions that may take long have a pool of their own."""

    def __init__(self, pool: Pool, reports: Pool) -> None:
        self._pool = pool
        self._reports = reports

    async def listed(self, tenant_id: int, states: Sequence[str]) -> list[Stored]:
        """Those in these states, the last to end first; at most one more than `MAX_LISTED`."""
        async with connection(self._reports) as conn:
            return await tables.listed(conn, tenant_id, states, MAX_LISTED + 1)

    async def one(self, tenant_id: int, silence_id: str) -> Stored | None:
        """One; None: there is none of this id."""
        async with connection(self._pool) as conn:
            return await tables.one(conn, tenant_id, silence_id)

    async def create(self, new: New, in_place_of: str | None = None) -> Stored | None:
        """A new one, which begins as the one that it takes the place of ends; None: there is no room for it."""
        async with connection(self._pool) as conn, conn.transaction():
            if in_place_of is not None:
                await tables.expire(conn, new.tenant_id, in_place_of, new.author)
            if await tables.lasting(conn, new.tenant_id) >= MAX_LASTING:
                return None
            return await tables.insert(conn, new)

    async def expire(self, tenant_id: int, silence_id: str, author: str) -> Stored | None:
        """End one now; None: none of this id lasts."""
        async with connection(self._pool) as conn:
            return await tables.expire(conn, tenant_id, silence_id, author)

    async def active(self, tenant_id: int) -> list[Silence]:
        """Those in force now."""
        async with connection(self._reports) as conn:
            return [one.silence for one in await tables.listed(conn, tenant_id, ("active",), MAX_LASTING)]

    async def lasting_alerts(self, tenant_id: int) -> list[LastingAlert]:
        """Alerts that are pending or firing, at most `MAX_READ`."""
        async with connection(self._reports) as conn:
            rows = await conn.fetch(ACTIVE, tenant_id, list(_ACTIVE_STATES), MAX_READ)
        return [
            LastingAlert(row["alert_id"], row["rule"], row["state"], orjson.loads(row["labels"]))
            for row in rows
        ]

    async def preview(self, tenant_id: int, matchers: Sequence[Matcher]) -> Preview:
        """What a silence with these matchers would be about."""
        lasting = await self.lasting_alerts(tenant_id)
        async with connection(self._reports) as conn:
            fired: list[Any] = await conn.fetch(FIRED, tenant_id, MAX_READ)
        times = sum(row["times"] for row in fired if matching(matchers, orjson.loads(row["labels"])))
        now = [alert for alert in lasting if matching(matchers, alert.labels)]
        return Preview(now, times, MAX_READ in {len(lasting), len(fired)})
