"""Alerts, their transitions and the outbox in Postgres, all within the pump's transaction.

Times are milliseconds UTC. The law: a transition, the state it led to and what receivers are to be told of it become
visible with the offset of the message that caused it, or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from services.alerts.domain.expression import ExpressionError, parse
from services.alerts.domain.fingerprint import fingerprint
from services.alerts.domain.lifecycle import FIRING, RESOLVED, Alert, SeriesRef, Transition
from services.alerts.domain.rule import Rule
from services.alerts.ports import Receiver
from services.alerts.service import AlertWork
from shared.errors import Misconfigured
from shared.model.window import BASE_MS
from shared.postgres.connections import Connection
from shared.stream.processor import Cut, Key, Stored

_AS_STORED = (
    "state", "episode_ms", "active_at_ms", "last_closed_ms", "last_breach_ms", "value", "fired_at_ms", "resolved_at_ms",
)  # fmt: skip

NOTIFIED = (FIRING, RESOLVED)
"""The transitions that receivers are told."""

_RESTORE = """
WITH place AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS place (topic, partition, passed_ms)
)
SELECT a.* FROM alert_instance a JOIN place USING (topic, partition) WHERE a.state <> 'resolved'
UNION ALL
SELECT a.* FROM alert_instance a JOIN place USING (topic, partition)
WHERE a.state = 'resolved' AND a.last_closed_ms > place.passed_ms
"""
"""The alerts that last, and those that ended in a window which no tick has passed: it may be told of again."""

_ALERTS = """
INSERT INTO alert_instance AS stored (topic, partition, rule, series_id, tenant_id, state, episode_ms, active_at_ms,
    fired_at_ms, resolved_at_ms, last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::double precision[], $14::text[],
    $15::text[], $16::jsonb[], $17::jsonb[])
ON CONFLICT (rule, series_id) DO UPDATE
SET topic = excluded.topic, partition = excluded.partition, tenant_id = excluded.tenant_id, state = excluded.state,
    episode_ms = excluded.episode_ms, active_at_ms = excluded.active_at_ms, fired_at_ms = excluded.fired_at_ms,
    resolved_at_ms = excluded.resolved_at_ms, last_closed_ms = excluded.last_closed_ms,
    last_breach_ms = excluded.last_breach_ms, value = excluded.value, expr = excluded.expr,
    fingerprint = excluded.fingerprint, labels = excluded.labels, annotations = excluded.annotations,
    updated_at = now()
"""

_EVENTS = """
INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms,
    value, threshold, expr, count, revision, watermark_ms, labels, key)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::double precision[], $11::double precision[], $12::text[], $13::double precision[],
    $14::bigint[], $15::bigint[], $16::jsonb[], $17::text[])
ON CONFLICT DO NOTHING
"""
"""A transition is a function of the log: what is there already says the same."""

_NOTIFICATIONS = """
INSERT INTO notification (topic, receiver, key, rule, series_id, body)
SELECT topic, receiver, key, rule, series_id, body
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[])
    WITH ORDINALITY AS told (topic, receiver, key, rule, series_id, body, place)
ORDER BY place
ON CONFLICT DO NOTHING
"""
"""In the order of the log: the ids are the order of delivery."""

_BITES = 10
_OLD_NOTIFICATIONS = """
DELETE FROM notification WHERE notification_id IN (
    SELECT notification_id FROM notification WHERE created_at < now() - interval '7 days'
    ORDER BY created_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""
_OLD_EVENTS = """
DELETE FROM alert_event WHERE (rule, series_id, episode_ms, transition) IN (
    SELECT rule, series_id, episode_ms, transition FROM alert_event WHERE recorded_at < now() - interval '400 days'
    ORDER BY recorded_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""
_OLD_ALERTS = """
DELETE FROM alert_instance WHERE (rule, series_id) IN (
    SELECT rule, series_id FROM alert_instance WHERE state = 'resolved' AND updated_at < now() - interval '400 days'
    ORDER BY updated_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""

MAINTENANCE = (_OLD_NOTIFICATIONS,) * _BITES + (_OLD_EVENTS, _OLD_ALERTS) * _BITES
"""Removes what is past retention, in bites that no commit has to wait for. What is a week old was given up long ago."""


class AlertTables:
    """The tables `alert_instance`, `alert_event` and `notification`."""

    def __init__(self, receivers: Sequence[Receiver]) -> None:
        self._receivers = receivers

    async def restore(self, conn: Connection, stored: Mapping[Key, Stored]) -> dict[Key, list[Alert]]:
        """The alerts of these partitions; their rules are as they were, until the fold adopts the present ones."""
        alerts: dict[Key, list[Alert]] = {key: [] for key in stored}
        places = [(*key, (at.watermark_ms or 0) - BASE_MS) for key, at in stored.items()]
        for row in await conn.fetch(_RESTORE, *_columns(places)) if places else ():
            alerts[Key(row["topic"], row["partition"])].append(_restored(row))
        return alerts

    async def save(self, conn: Connection, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Write alerts as they stand, transitions, and what is to be told of them."""
        # By their key: a foreign record may have brought one series into two partitions.
        alerts = {
            _key(alert): (*cut.key, *_alert(alert)) for cut in cuts for alert in cut.checkpoint.work.alerts
        }
        changes = [(cut.key.topic, change) for cut in cuts for change in cut.checkpoint.work.transitions]
        notifications = [
            row
            for topic, change in changes
            if change.transition in NOTIFIED
            for row in self._notifications(topic, change)
        ]
        if alerts:
            await conn.execute(_ALERTS, *_columns([alerts[key] for key in sorted(alerts)]))
        if changes:
            await conn.execute(_EVENTS, *_columns([_event(change) for _, change in changes]))
        if notifications:
            await conn.execute(_NOTIFICATIONS, *_columns(notifications))

    def _notifications(self, topic: str, change: Transition) -> Iterator[tuple[Any, ...]]:
        for receiver in self._receivers:
            body = receiver.render(change)
            yield topic, receiver.name, change.key, change.rule, change.series.series_id, body


def _columns(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Any]]:
    return map(list, zip(*rows, strict=True))


def _key(alert: Alert) -> tuple[str, int]:
    return alert.rule.key, alert.series.series_id


def _alert(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.rule.key, alert.series.series_id, alert.series.tenant_id, alert.state, alert.episode_ms,
        alert.active_at_ms, alert.fired_at_ms, alert.resolved_at_ms, alert.last_closed_ms, alert.last_breach_ms,
        alert.value, alert.rule.comparison.text, fingerprint(alert.labels), _json(alert.labels),
        _json(alert.annotations),
    )  # fmt: skip


def _event(change: Transition) -> tuple[Any, ...]:
    decided = change.evaluation
    return (
        change.rule, change.series.series_id, change.episode_ms, change.transition, change.series.tenant_id,
        change.reason, decided.decided_on, change.at_ms, decided.window_start_ms, decided.value, change.threshold,
        change.expr, decided.count, decided.revision, decided.watermark_ms, _json(change.labels), change.key,
    )  # fmt: skip


def _json(mapping: Mapping[str, str]) -> str:
    return orjson.dumps(dict(mapping)).decode()


def _restored(row: Any) -> Alert:
    labels = orjson.loads(row["labels"])
    name = labels.pop("alertname")
    labels.pop("tenant")
    return Alert(
        rule=_rule(row, name),
        series=SeriesRef(row["series_id"], row["tenant_id"], labels),
        **{field: row[field] for field in _AS_STORED},
    )


def _rule(row: Any, name: str) -> Rule:
    """The rule as far as it is known: enough to end the alert by, should the rule set not hold it any more."""
    try:
        comparison = parse(row["expr"])
    except ExpressionError as problem:
        raise Misconfigured(
            f"the alert {row['rule']} of series {row['series_id']} stands on {row['expr']!r}, which this version "
            f"cannot read ({problem.message}). Run the version that wrote it until it has resolved, or delete its row "
            "from alert_instance"
        ) from problem
    return Rule(
        row["rule"].removesuffix(f"/{name}"), name, comparison, annotations=orjson.loads(row["annotations"])
    )
