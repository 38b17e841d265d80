"""Reads the table `ledger_1m`, merged over the partitions of a topic.

Times are milliseconds UTC outside and `timestamptz` inside.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from shared.ledger.accounts import Account
from shared.ledger.entries import MINUTE_MS, NOBODY
from shared.postgres.connections import AnyConnection, Connection
from shared.postgres.instants import at
from shared.wire.topics import EVENTS, METRICS

COMPLETE = (
    "SELECT min(watermark_ms) FROM partition_state WHERE topic = $1 AND partition < ("
    "SELECT coalesce(max(routed_by), max(partition) + 1) FROM partition_state WHERE topic = $1"
    ") HAVING bool_and(watermark_ms IS NOT NULL)"
)
"""The slowest watermark of the partitions that records are routed by; null before the first message, and for topics
without ticks."""

TENANT_MINUTES = f"""
SELECT (extract(epoch FROM found.minute) * 1000)::bigint, found.outcome, sum(found.count)::bigint AS count
FROM generate_series($3::timestamptz, $4::timestamptz, $5::interval) AS wanted (minute)
CROSS JOIN LATERAL (
    SELECT l.minute, l.outcome, l.count FROM ledger_1m l
    WHERE l.minute = wanted.minute AND l.tenant_id IN ($1, {NOBODY}) AND l.topic = $2 OFFSET 0
) AS found
GROUP BY found.minute, found.outcome ORDER BY found.minute, found.outcome
"""  # noqa: S608 # the number is a constant
"""Minute by minute, because the rows of all other tenants lie in between. What was lost may have been anybody's."""

MINUTE = timedelta(milliseconds=MINUTE_MS)
"""Step of `TENANT_MINUTES`."""

_MINUTES = f"""
SELECT topic, name, (extract(epoch FROM minute) * 1000)::bigint AS minute_ms, outcome, sum(count)::bigint AS count
FROM ledger_1m LEFT JOIN tenant USING (tenant_id)
WHERE minute >= $1 AND minute < $2 AND topic = ANY($3) AND ($4::text IS NULL OR name = $4 OR tenant_id = {NOBODY})
GROUP BY topic, name, tenant_id, minute, outcome ORDER BY topic, name, tenant_id, minute
"""  # noqa: S608 # the number is a constant

_DIFFERENCES = """
SELECT tenant_id, topic, sum(abs(difference))::bigint FROM (
    SELECT tenant_id, topic, sum(CASE WHEN outcome IN ('received', 'derived') THEN count ELSE -count END) AS difference
    FROM ledger_1m WHERE minute >= now() - interval '1 hour'
        AND minute < now() + interval '1 hour' AND topic = ANY($1) GROUP BY tenant_id, topic, minute
) AS account
WHERE difference <> 0 GROUP BY tenant_id, topic
"""


class TenantMinute(NamedTuple):
    """The outcomes of what a tenant sent to a topic in a minute."""

    topic: str
    tenant: str
    """Its name."""
    minute_ms: int
    account: Account


class Difference(NamedTuple):
    """The minutes of the last hour that do not close, for one tenant and topic."""

    tenant_id: int
    topic: str
    rows: int
    """Sum of the absolute differences of the minutes."""


def topics(prefix: str) -> dict[str, str]:
    """The topic of each signal."""
    return {"points": prefix + METRICS.name, "events": prefix + EVENTS.name}


async def complete_until_ms(conn: AnyConnection, topic: str) -> int | None:
    """The instant up to which the log of a topic is in the tables; None: not known."""
    found: int | None = await conn.fetchval(COMPLETE, topic)
    return found


async def tenant_minutes(
    conn: Connection, tenant_id: int, topic: str, span_ms: tuple[int, int]
) -> Mapping[int, Account]:
    """Accounts of a tenant by minute, for whole minutes from the first instant to before the second."""
    first, last = at(span_ms[0]), at(span_ms[1] - MINUTE_MS)
    found: dict[int, dict[str, int]] = {}
    for minute_ms, outcome, count in await conn.fetch(TENANT_MINUTES, tenant_id, topic, first, last, MINUTE):
        found.setdefault(minute_ms, {})[outcome] = count
    return {minute_ms: Account(counts) for minute_ms, counts in found.items()}


async def minutes(
    conn: AnyConnection, span_ms: tuple[int, int], topics: Sequence[str], tenant: str | None
) -> list[TenantMinute]:
    """Accounts by topic, tenant and minute, of all tenants or only of the one with this name."""
    found: dict[tuple[str, str, int], dict[str, int]] = {}
    rows = await conn.fetch(_MINUTES, at(span_ms[0]), at(span_ms[1]), topics, tenant)
    for topic, name, minute_ms, outcome, count in rows:
        found.setdefault((topic, name or "(none)", minute_ms), {})[outcome] = count
    return [TenantMinute(*key, Account(counts)) for key, counts in found.items()]


async def differences(conn: AnyConnection, topics: Sequence[str]) -> list[Difference]:
    """The differences of the last hour."""
    return [Difference(*row) for row in await conn.fetch(_DIFFERENCES, topics)]
