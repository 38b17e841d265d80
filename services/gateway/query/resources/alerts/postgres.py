"""Reads alerts from `alert_instance` and `alert_event`.

Times are milliseconds UTC. An alert of another tenant is unknown.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from services.gateway.query.resources.alerts.alert import MAX_TRANSITIONS, Alert, History, Transition
from shared.postgres.connections import Pool, connection
from shared.postgres.instants import ms_of

LISTED = """
SELECT alert_id, rule, state, fingerprint, labels, annotations, value, expr, episode_ms, active_at_ms, fired_at_ms,
       resolved_at_ms, updated_at
FROM alert_instance
WHERE tenant_id = $1 AND state = ANY($2) AND (state <> 'resolved' OR resolved_at_ms >= $3)
ORDER BY greatest(active_at_ms, fired_at_ms, resolved_at_ms) DESC, fingerprint
LIMIT $4
"""
"""Alerts by their latest transition, newest first."""

NAMED = """
SELECT alert_id FROM alert_instance WHERE tenant_id = $1 AND (alert_id = $2 OR fingerprint = $2)
ORDER BY updated_at DESC, alert_id LIMIT 20
"""
"""Alerts by their id, or by a fingerprint that several may have."""

OF_FINGERPRINT = """
SELECT alert_id, rule, state, fingerprint, labels, annotations, value, expr, episode_ms, active_at_ms, fired_at_ms,
       resolved_at_ms, updated_at
FROM alert_instance WHERE tenant_id = $1 AND fingerprint = $2 ORDER BY updated_at DESC, alert_id LIMIT $3
"""
"""Alerts with one fingerprint, whatever their state."""

HISTORY = """
SELECT i.alert_id, i.fingerprint, i.rule, i.labels, e.transition, e.reason, e.decided_on, e.episode_ms,
       e.at_ms, e.window_start_ms, e.value,
       e.threshold, e.expr, e.count, e.revision, e.watermark_ms, e.key
FROM alert_instance i LEFT JOIN alert_event e ON e.rule = i.rule AND e.series_id = i.series_id
    AND e.tenant_id = i.tenant_id
WHERE i.tenant_id = $1 AND i.alert_id = $2
ORDER BY e.episode_ms DESC, e.at_ms DESC,
    array_position(ARRAY['pending', 'firing', 'resolved', 'cancelled'], e.transition) DESC
LIMIT $3
"""
"""Transitions of an alert, newest first; one row without a transition when it has none, no row when it is unknown."""

_GROUNDS = (
    "transition", "reason", "decided_on", "episode_ms", "at_ms", "window_start_ms", "value", "threshold", "expr",
    "count", "revision", "watermark_ms", "key",
)  # fmt: skip


class PostgresAlerts:
    """Alerts and their transitions, as the alert service wrote them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def alerts(
        self, tenant_id: int, states: Sequence[str], resolved_since_ms: int, limit: int
    ) -> Sequence[Alert]:
        """Up to `limit` alerts in these states, newest first; of the resolved ones only the recent."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(LISTED, tenant_id, states, resolved_since_ms, limit)
        return [_alert(row) for row in rows]

    async def named(self, tenant_id: int, name: str) -> Sequence[str]:
        """Ids of the alerts with this id or fingerprint."""
        async with connection(self._pool) as conn:
            return [row["alert_id"] for row in await conn.fetch(NAMED, tenant_id, name)]

    async def of_fingerprint(self, tenant_id: int, fingerprint: str, limit: int) -> Sequence[Alert]:
        """Up to `limit` alerts with this fingerprint, the latest change first."""
        async with connection(self._pool) as conn:
            return [_alert(row) for row in await conn.fetch(OF_FINGERPRINT, tenant_id, fingerprint, limit)]

    async def history(self, tenant_id: int, alert_id: str) -> History | None:
        """An alert with its transitions, None for an unknown one."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(HISTORY, tenant_id, alert_id, MAX_TRANSITIONS + 1)
        if not rows:
            return None
        known = [Transition(*(row[name] for name in _GROUNDS)) for row in rows if row["transition"]]
        first = rows[0]
        return History(
            first["alert_id"], first["fingerprint"], first["rule"], orjson.loads(first["labels"]), known
        )


def _alert(row: Any) -> Alert:
    fields = dict(row)
    fields["labels"], fields["annotations"] = orjson.loads(row["labels"]), orjson.loads(row["annotations"])
    fields["updated_at_ms"] = ms_of(fields.pop("updated_at"))
    return Alert(**fields)
