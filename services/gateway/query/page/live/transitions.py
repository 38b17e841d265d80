"""Alert transitions since a number, for many tenants in one statement.

A number is the time in microseconds at which a transition was recorded, which is when its transaction began: one that
is committed later may have a lower number, so `OVERLAP_US` of them are read again and told apart by their keys.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from shared.postgres.connections import Pool, connection

OVERLAP_US = 10_000_000
"""A transaction of the alerts that takes longer has been ended by Postgres."""

MAX_TRANSITIONS = 200
"""Transitions of a tenant in one look, and of a stream that comes back; `/v1/alerts` has them all."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SINCE = """
SELECT found.* FROM unnest($1::bigint[]) AS asked (tenant_id) CROSS JOIN LATERAL (
    SELECT tenant_id, recorded_at, key, rule, transition, reason, decided_on, at_ms, episode_ms, window_start_ms, value,
           threshold, expr, labels
    FROM alert_event WHERE tenant_id = asked.tenant_id AND recorded_at > $2 ORDER BY recorded_at DESC LIMIT $3
) AS found ORDER BY recorded_at
"""
"""The newest transitions of each of these tenants, in their order."""


class Numbered(NamedTuple):
    """A transition with its number."""

    number: int
    tenant_id: int
    key: str
    """Idempotency key: the same wherever it is told."""
    data: bytes
    """As JSON."""


class PostgresTransitions:
    """Transitions in `alert_event`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def since(self, tenants: Collection[int], number: int) -> list[Numbered]:
        """The newest ones after a number, in their order. Raises `Unavailable`."""
        after = _EPOCH + timedelta(microseconds=max(0, number))
        async with connection(self._pool) as conn:
            rows = await conn.fetch(SINCE, list(tenants), after, MAX_TRANSITIONS)
        return [_numbered(row) for row in rows]


def _numbered(row: Any) -> Numbered:
    fields = dict(row)
    number = (fields.pop("recorded_at") - _EPOCH) // timedelta(microseconds=1)
    tenant_id, labels = fields.pop("tenant_id"), orjson.loads(fields.pop("labels"))
    data = orjson.dumps({"id": number, **fields, "labels": labels})
    return Numbered(number, tenant_id, fields["key"], data)
