"""Log records as events: lines, exceptions, events with a name, and vitals of browsers. Nanoseconds since 1970.

Sources: OpenTelemetry's data model of logs, its semantic conventions of exceptions and of `browser.web_vital`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from services.gateway.intake.columns.rows import MappedEvent, MetricPoint
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.otlp.attributes import (
    attributes_of,
    attributes_of_pairs,
    value_of,
)
from services.gateway.intake.protocols.otlp.events.context import (
    Origin,
    as_json,
    context_of,
    first_of,
    others,
)
from services.gateway.intake.protocols.otlp.events.errors import error_of, is_exception
from services.gateway.intake.protocols.otlp.events.fields import (
    hex_of,
    integer_of,
    ms_of,
    object_of,
    text_of_field,
)
from services.gateway.intake.protocols.otlp.map import Attributes, Value, text_of
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES
from shared.errors import Rejected

LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")
"""Four numbers of severity each, from 1 on."""

VITALS = ("browser.web_vital", "browser.web_vitals", "web_vital")
"""Names of the event that says a vital; its fields have such a prefix or none, in the attributes or in the body."""

EVENT_NAME = "event.name"
"""Attribute that names an event where an older SDK has no field for it."""


class LogRecord(NamedTuple):
    """What is read of a log record."""

    ts_ms: int | None
    """Its own time, else when it was observed; None: it says neither."""
    severity: int
    severity_text: str
    body: Value
    attributes: Attributes
    ids: Mapping[str, str]
    """Those of its trace and span."""
    event_name: str


def read_protobuf(record: bytes) -> LogRecord:
    """A log record; raise `Rejected`."""
    try:
        found = MESSAGES["LogRecord"].FromString(record)
    except BROKEN as error:
        raise Rejected("malformed_record", "record: must be a LogRecord") from error
    return LogRecord(
        ms_of(found.time or found.observed),
        found.severity,
        found.severity_text,
        value_of(found.body),
        attributes_of(found.attributes),
        {"trace_id": found.trace_id.hex(), "span_id": found.span_id.hex()},
        found.event_name,
    )


def read_json(record: bytes) -> LogRecord:
    """The same of a JSON object; raise `Rejected`."""
    found = object_of(record)
    return LogRecord(
        ms_of(integer_of(found, "timeUnixNano") or integer_of(found, "observedTimeUnixNano")),
        _severity_of(found.get("severityNumber")),
        text_of_field(found, "severityText"),
        attributes_of_pairs([{"key": "body", "value": found.get("body")}])["body"],
        attributes_of_pairs(found.get("attributes")),
        {"trace_id": hex_of(found, "traceId"), "span_id": hex_of(found, "spanId")},
        text_of_field(found, "eventName"),
    )


def rows_of_log(
    record: LogRecord, origin: Origin, event_id: Callable[[], str]
) -> list[MappedEvent | MetricPoint]:
    """What a log record becomes; raise `Rejected`."""
    name = record.event_name or first_of((EVENT_NAME,), record.attributes)
    if name in VITALS:
        return list(_vital(record, origin))
    context = context_of(record.attributes, origin, record.ids)
    at = event_id() if record.ts_ms is not None else uuid4().hex
    if is_exception(record.attributes):
        return [error_of(at, record.ts_ms, record.attributes, context, level=level_of(record, "error"))]
    if name:
        return [vocabulary.event(name, at, record.ts_ms, context, more=_said(record))]
    return [
        vocabulary.log(
            at,
            record.ts_ms,
            context,
            level=level_of(record, "info"),
            message=as_json(text_of(record.body)),
            attributes=others(record.attributes),
        )
    ]


def level_of(record: LogRecord, absent: str) -> str:
    """How grave a record is, in our words: by its number, else by its text, else as what says neither."""
    if 1 <= record.severity <= 4 * len(LEVELS):
        return LEVELS[(record.severity - 1) // 4]
    return record.severity_text[:16] or absent


def _said(record: LogRecord) -> dict[str, Any]:
    """The properties of an event with a name: its attributes, and its body, whose fields stand beside them."""
    said = others(record.attributes, (EVENT_NAME,))
    body = as_json(record.body)
    if isinstance(body, dict):
        return body | said
    return said if body in (None, "") else {"body": body} | said


def _vital(record: LogRecord, origin: Origin) -> list[MetricPoint]:
    body = record.body if isinstance(record.body, dict) else {}
    fields = {**body, **record.attributes}
    found = {
        field: next((fields[name] for name in names if fields.get(name) is not None), None)
        for field, names in _VITAL_FIELDS.items()
    }
    name = str(found["name"]).upper()
    if name not in vocabulary.VITALS:
        raise Rejected("unknown_vital", f"name: must be one of {', '.join(vocabulary.VITALS)}")
    page = first_of(("url.full", "http.url", "page"), fields, origin.resource)
    return vocabulary.vital(
        name,
        found["value"],
        found["delta"],
        page=page,
        navigation_type=found["navigation_type"],
        ts=record.ts_ms,
    )


_VITAL_FIELDS = {
    field: (*(f"{prefix}.{field}" for prefix in VITALS), field)
    for field in ("name", "value", "delta", "navigation_type")
}


def _severity_of(given: object) -> int:
    """A number of severity, which older clients write by its name: `SEVERITY_NUMBER_ERROR2`."""
    if isinstance(given, str) and given.startswith(_PREFIX):
        word = given.removeprefix(_PREFIX)
        level, within = word.rstrip("234"), word[-1:]
        place = _NAMES.index(level) if level in _NAMES else None
        return 0 if place is None else 4 * place + (int(within) if within in "234" else 1)
    return given if isinstance(given, int) else 0


_PREFIX = "SEVERITY_NUMBER_"
_NAMES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
