"""Alerts and their transitions in Postgres, within the pump's transaction.

Times are milliseconds UTC. A transition, the state it led to and its row in the outbox become visible with the offset
of the message that caused it, or not at all. The outbox row only says which transition: receivers are dispatch's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from services.alerts.domain.transition import Transition
from services.alerts.evaluation.domain.alert import Alert, SeriesRef
from services.alerts.evaluation.domain.fingerprint import fingerprint
from services.alerts.evaluation.service import AlertWork
from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.expression import parse
from shared.alerts.rules.model import Rule
from shared.errors import Misconfigured
from shared.model.window import BASE_MS
from shared.postgres.connections import Connection
from shared.postgres.maintenance import Deletion, kept_since
from shared.stream.processor import Cut, Key, Stored

_AS_STORED = (
    "state", "episode_ms", "active_at_ms", "last_closed_ms", "last_breach_ms", "value", "fired_at_ms", "resolved_at_ms",
    "hearings", "gap_ms", "recovering_since_ms",
)  # fmt: skip

_RESTORE = """
WITH place AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS place (topic, partition, passed_ms)
)
SELECT a.* FROM alert_instance a JOIN place USING (topic, partition) WHERE a.state <> 'resolved'
UNION ALL
SELECT a.* FROM alert_instance a JOIN place USING (topic, partition)
WHERE a.state = 'resolved' AND a.last_closed_ms > place.passed_ms
"""
"""The alerts that last, and those that ended in a window which no tick has passed: its windows may come again."""

_ALERTS = """
INSERT INTO alert_instance AS stored (topic, partition, rule, series_id, tenant_id, state, episode_ms, active_at_ms,
    fired_at_ms, resolved_at_ms, last_closed_ms, last_breach_ms, value, expr, fingerprint, labels, annotations,
    is_level, heard_ms, heard_window_ms, hearings, gap_ms, recovering_since_ms)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::double precision[], $14::text[],
    $15::text[], $16::jsonb[], $17::jsonb[], $18::boolean[], $19::bigint[], $20::bigint[], $21::integer[],
    $22::bigint[], $23::bigint[])
ON CONFLICT (rule, series_id) DO UPDATE
SET topic = excluded.topic, partition = excluded.partition, tenant_id = excluded.tenant_id, state = excluded.state,
    episode_ms = excluded.episode_ms, active_at_ms = excluded.active_at_ms, fired_at_ms = excluded.fired_at_ms,
    resolved_at_ms = excluded.resolved_at_ms, last_closed_ms = excluded.last_closed_ms,
    last_breach_ms = excluded.last_breach_ms, value = excluded.value, expr = excluded.expr,
    fingerprint = excluded.fingerprint, labels = excluded.labels, annotations = excluded.annotations,
    is_level = excluded.is_level, heard_ms = excluded.heard_ms, heard_window_ms = excluded.heard_window_ms,
    hearings = excluded.hearings, gap_ms = excluded.gap_ms, recovering_since_ms = excluded.recovering_since_ms,
    updated_at = now()
"""

_EVENTS = """
WITH change AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[],
        $8::text[], $9::bigint[], $10::bigint[], $11::double precision[], $12::double precision[], $13::text[],
        $14::double precision[], $15::bigint[], $16::bigint[], $17::jsonb[], $18::jsonb[], $19::text[], $20::bigint[],
        $21::bigint[], $22::bigint[], $23::text[])
    WITH ORDINALITY AS columns (topic, rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms,
        window_start_ms, value, threshold, expr, count, revision, watermark_ms, labels, annotations, fingerprint,
        active_at_ms, fired_at_ms, resolved_at_ms, key, place)
), recorded AS (
    INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms,
        window_start_ms, value, threshold, expr, count, revision, watermark_ms, labels, annotations, fingerprint,
        active_at_ms, fired_at_ms, resolved_at_ms, key)
    SELECT rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms, value,
        threshold, expr, count, revision, watermark_ms, labels, annotations, fingerprint, active_at_ms, fired_at_ms,
        resolved_at_ms, key
    FROM change
    ON CONFLICT DO NOTHING
    RETURNING rule, series_id, episode_ms, transition
)
INSERT INTO alert_outbox (topic, rule, series_id, episode_ms, transition)
SELECT topic, rule, series_id, episode_ms, transition
FROM change JOIN recorded USING (rule, series_id, episode_ms, transition)
ORDER BY place
"""
"""A transition is a function of the log: what is there already says the same, and dispatch has had it."""

_OLD_EVENTS = f"""
DELETE FROM alert_event WHERE (rule, series_id, episode_ms, transition) IN (
    SELECT rule, series_id, episode_ms, transition FROM alert_event WHERE recorded_at < {kept_since("alert_event")}
    ORDER BY recorded_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 # a constant of this module
_OLD_ALERTS = f"""
DELETE FROM alert_instance WHERE (rule, series_id) IN (
    SELECT rule, series_id FROM alert_instance
    WHERE state = 'resolved' AND updated_at < {kept_since("alert_instance")}
    ORDER BY updated_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 # a constant of this module

MAINTENANCE = (Deletion("alert_event", _OLD_EVENTS), Deletion("alert_instance", _OLD_ALERTS))
"""Removes what is past retention, in pieces that no commit has to wait for."""


class AlertTables:
    """The tables `alert_instance` and `alert_event`, and the outbox of transitions."""

    async def restore(self, conn: Connection, stored: Mapping[Key, Stored]) -> dict[Key, list[Alert]]:
        """The alerts of these partitions; their rules are as they were, until the fold adopts the present ones."""
        alerts: dict[Key, list[Alert]] = {key: [] for key in stored}
        places = [(*key, (at.watermark_ms or 0) - BASE_MS) for key, at in stored.items()]
        for row in await conn.fetch(_RESTORE, *_columns(places)) if places else ():
            alerts[Key(row["topic"], row["partition"])].append(_restored(row))
        return alerts

    async def save(self, conn: Connection, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Write alerts as they stand, transitions, and that dispatch is to have them."""
        # By their key: a foreign record may have brought one series into two partitions.
        alerts = {
            _key(alert): (*cut.key, *_alert(alert)) for cut in cuts for alert in cut.checkpoint.work.alerts
        }
        events = [
            (cut.key.topic, *_event(change)) for cut in cuts for change in cut.checkpoint.work.transitions
        ]
        if alerts:
            await conn.execute(_ALERTS, *_columns([alerts[key] for key in sorted(alerts)]))
        if events:
            await conn.execute(_EVENTS, *_columns(events))


def _columns(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Any]]:
    return map(list, zip(*rows, strict=True))


def _key(alert: Alert) -> tuple[str, int]:
    return alert.rule.key, alert.series.series_id


def _alert(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.rule.key, alert.series.series_id, alert.series.tenant_id, alert.state, alert.episode_ms,
        alert.active_at_ms, alert.fired_at_ms, alert.resolved_at_ms, alert.last_closed_ms, alert.last_breach_ms,
        alert.value, alert.rule.comparison.text, fingerprint(alert.labels), _json(alert.labels),
        _json(alert.annotations), alert.series.is_level, alert.heard_ms, alert.heard_window_ms, alert.hearings,
        alert.gap_ms, alert.recovering_since_ms,
    )  # fmt: skip


def _event(change: Transition) -> tuple[Any, ...]:
    return (
        change.rule, change.series_id, change.episode_ms, change.transition, change.tenant_id, change.reason,
        change.decided_on, change.at_ms, change.window_start_ms, change.value, change.threshold, change.expr,
        change.count, change.revision, change.watermark_ms, _json(change.labels), _json(change.annotations),
        change.fingerprint, change.active_at_ms, change.fired_at_ms, change.resolved_at_ms, change.key,
    )  # fmt: skip


def _json(mapping: Mapping[str, str]) -> str:
    return orjson.dumps(dict(mapping)).decode()


def _restored(row: Any) -> Alert:
    labels = orjson.loads(row["labels"])
    name = labels.pop("alertname")
    labels.pop("tenant")
    rule, last_ms = _rule(row, name), row["last_closed_ms"]
    if rule.comparison.leaf.has_range:
        last_ms = 0
    return Alert(
        rule=rule,
        series=SeriesRef(row["series_id"], row["tenant_id"], labels, is_level=row["is_level"]),
        # A build before these columns leaves them as they are: it heard the windows that it closed, and knew no ranges.
        heard_ms=max(row["heard_ms"] or 0, last_ms + BASE_MS),
        heard_window_ms=max(row["heard_window_ms"] or 0, last_ms),
        **{field: row[field] for field in _AS_STORED},
    )


def _rule(row: Any, name: str) -> Rule:
    """The rule as far as it is known: enough to end the alert by, should the rule set not hold it any more."""
    try:
        comparison = parse(row["expr"])
    except ExpressionError as problem:
        raise Misconfigured(
            f"the alert {row['rule']} of series {row['series_id']} stands on {row['expr']!r}, which this version "
            f"cannot read ({problem.message}). Run the version that wrote it until it has resolved, or begin the "
            "alerts of its partition anew: "
            f"`tidegauge partitions reset {row['topic']} {row['partition']} --to latest --without-state`"
        ) from problem
    return Rule(
        row["rule"].removesuffix(f"/{name}"), name, comparison, annotations=orjson.loads(row["annotations"])
    )
