"""Tables that can be exported: their columns, and the statements that read the rows of one tenant. Pure.

All values are parameters: `$1` the tenant, `$2` and `$3` the range of time, then those of the conditions. No order of
the rows is promised, so that the first leaves at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.files.columns import WRITERS, Column, Writing, json_object

RESOLUTIONS: Mapping[str, str] = {"10s": "rollup_10s", "1m": "rollup_1m", "15m": "rollup_15m"}
"""The table of each resolution of windows."""


@dataclass(frozen=True, slots=True)
class Table:
    """What can be exported under a name."""

    name: str
    relation: str
    """Table of Postgres, `{}` for that of the resolution."""
    time: str
    """SQL of the instant that a range is about."""
    columns: tuple[Column, ...]
    names: Mapping[str, str]
    """What conditions may name, and the SQL of it; empty: labels."""
    sketch: tuple[Column, ...] = ()
    """Columns more when sketches are asked for."""
    signal: str = ""
    """The signal whose log says up to when the rows are complete; empty: nothing does."""


_SERIES = (
    Column("metric", "text", "s.metric", of_series=True),
    Column("kind", "text", "s.kind", of_series=True),
    Column("unit", "text", "s.unit", of_series=True),
    Column("labels", "labels", "s.labels", of_series=True),
)

WINDOWS = Table(
    "windows", "{}", "r.window_start",
    (
        Column("window_start", "time", "r.window_start"), *_SERIES,
        Column("count", "float", "r.count"), Column("samples", "integer", "r.samples"),
        Column("sum", "float", "r.sum"), Column("min", "float", "r.min"), Column("max", "float", "r.max"),
        Column("last", "float", "r.last"), Column("last_at", "time", "r.last_at"),
        Column("revision", "integer", "r.revision"), Column("late_count", "integer", "r.late_count"),
        Column("watermark", "time", "r.watermark"), Column("estimated", "flag", "r.extremes_estimated"),
    ),
    names={},
    sketch=(Column("bucket", "integers", "r.sketch_bucket"), Column("weight", "floats", "r.sketch_weight")),
    signal="points",
)  # fmt: skip

EVENTS = Table(
    "events", "event", "r.ts",
    (
        Column("ts", "time", "r.ts"), Column("received_at", "time", "r.received_at"),
        Column("event_id", "text", "r.event_id"), Column("type", "text", "r.type"), Column("name", "text", "r.name"),
        Column("session_id", "text", "r.session_id"), Column("user_id", "text", "r.user_id"),
        Column("properties", "json", "r.properties"),
    ),
    names={name: f"r.{name}" for name in ("event_id", "type", "name", "session_id", "user_id")},
)  # fmt: skip

FUNNELS = Table(
    "funnels", "funnel_entry", "r.first_at",
    (
        Column("funnel", "text", "r.funnel"), Column("session_id", "text", "r.session_id"),
        Column("first_at", "time", "r.first_at"), Column("entered_at", "time", "r.entered_at"),
        Column("reached", "integer", "r.reached"), Column("reached_at", "times", "r.reached_at"),
        Column("out_of_order", "integer", "r.out_of_order"), Column("step", "integers", "r.step"),
        Column("step_at", "times", "r.step_at"),
    ),
    names={"funnel": "r.funnel", "session_id": "r.session_id"},
)  # fmt: skip

ALERTS = Table(
    "alerts", "alert_event", "r.recorded_at",
    (
        Column("rule", "text", "r.rule"), Column("fingerprint", "text", "r.fingerprint"),
        Column("labels", "json", "r.labels"), Column("transition", "text", "r.transition"),
        Column("reason", "text", "r.reason"), Column("decided_on", "text", "r.decided_on"),
        Column("episode", "time", "to_timestamp(r.episode_ms / 1000.0)"),
        Column("at", "time", "to_timestamp(r.at_ms / 1000.0)"),
        Column("window_start", "time", "to_timestamp(r.window_start_ms / 1000.0)"),
        Column("value", "float", "r.value"), Column("threshold", "float", "r.threshold"),
        Column("expr", "text", "r.expr"), Column("count", "float", "r.count"),
        Column("revision", "integer", "r.revision"),
        Column("watermark", "time", "to_timestamp(r.watermark_ms / 1000.0)"),
        Column("key", "text", "r.key"), Column("recorded_at", "time", "r.recorded_at"),
    ),
    names={"rule": "r.rule", "fingerprint": "r.fingerprint", "transition": "r.transition"},
)  # fmt: skip

LEDGER = Table(
    "ledger", "ledger_1m", "r.minute",
    (
        Column("minute", "time", "r.minute"), Column("topic", "text", "r.topic"),
        Column("partition", "integer", "r.partition"), Column("outcome", "text", "r.outcome"),
        Column("count", "integer", "r.count"),
    ),
    names={"topic": "r.topic", "outcome": "r.outcome"},
)  # fmt: skip

TABLES: Mapping[str, Table] = {table.name: table for table in (WINDOWS, EVENTS, FUNNELS, ALERTS, LEDGER)}
"""What can be exported, by name."""


def statement(
    table: Table, relation: str, columns: Sequence[Column], conditions: Sequence[str], writing: Writing
) -> str:
    """The statement whose rows are those of a tenant, one field a column or, of JSON, one object.

    Properties of series are written once for each series, and not for each row.
    """
    write = WRITERS[writing]
    own = [column for column in columns if column.of_series]
    values = [f"s.{column.name}" if column.of_series else write(column) for column in columns]
    selected = json_object(columns, values) if writing == "json" else ", ".join(values)
    within = f"{table.time} >= $2::timestamptz AND {table.time} < $3::timestamptz"
    if not own:
        where = " AND ".join(("r.tenant_id = $1::bigint", within, *conditions))
        return f"SELECT {selected} FROM {relation} r WHERE {where}"  # noqa: S608 # names of ours
    series = ", ".join(f"{write(column)} AS {column.name}" for column in own)
    where = " AND ".join(("s.tenant_id = $1::bigint", *conditions))
    return (
        f"WITH s AS MATERIALIZED (SELECT s.series_id, {series} FROM series s WHERE {where}) "  # noqa: S608
        f"SELECT {selected} FROM {relation} r JOIN s USING (series_id) WHERE {within}"
    )
