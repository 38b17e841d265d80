"""Faro's measurements, events, exceptions and logs as points and events.

Sources: grafana/faro-web-sdk (types of core, the instrumentations of vitals, performance and tracing). Values of its
performance and tracing events are texts. A measurement of a user's own is a gauge `measurement.TYPE.VALUE`.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from services.gateway.intake.columns.json import instant_of, object_of
from services.gateway.intake.columns.rows import ContentIds, MappedEvent, MetricPoint, Row, Time
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.vocabulary import (
    VITALS,
    EventContext,
    Frame,
    label_text,
    labels,
    number,
)
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP
from shared.model.series import MAX_METRIC_BYTES

KINDS = ("measurements", "events", "exceptions", "logs")
"""The lists of a body, in the order in which their items are counted."""

MAX_VALUES = 100
"""Values of a measurement; those of the SDK have at most twenty."""

_URL = ("url.full", "http.url")
_METHOD = ("http.request.method", "http.method")
_STATUS = ("http.response.status_code", "http.status_code")
_NO_VIEW = ("", "unknown")
_ODD = re.compile(r"[^A-Za-z0-9_.:/-]")


class Sent(NamedTuple):
    """An item, and which list it stood in."""

    kind: str
    raw: msgspec.Raw


def context_of(meta: Mapping[str, Any]) -> EventContext:
    """Where the items of a body happened, as `meta` says it."""
    app, sdk = _part(meta, "app"), _part(meta, "sdk")
    return EventContext(
        _text(_part(meta, "session"), "id"),
        _text(_part(meta, "user"), "id"),
        {
            "url": label_text(_part(meta, "page").get("url")),
            "release": _text(app, "version") or _text(app, "release"),
            "environment": _text(app, "environment"),
            "app": _text(app, "name"),
            "user_agent": _text(_part(meta, "browser"), "userAgent"),
            "sdk": f"{_text(sdk, 'name')} {_text(sdk, 'version')}".strip(),
        },
    )


def rows_of(sent: Sent, context: EventContext, ids: ContentIds) -> list[Row | Rejected]:
    """The points or the event of an item; raise `Rejected` naming the field."""
    item = object_of(sent.raw)
    page, ts = context.properties["url"], _time(item)
    if sent.kind == "measurements":
        return _measurement(item, page, ts)
    if sent.kind == "events":
        timing = _timing(item, page, ts)
        if timing is not None:
            return [timing]
    make = {"events": _event, "exceptions": _exception, "logs": _log}[sent.kind]
    return [make(item, ids.of(bytes(sent.raw)), ts, context)]


def _measurement(item: Mapping[str, Any], page: str, ts: Time) -> list[Row | Rejected]:
    kind, values, context = _text(item, "type"), item.get("values"), _part(item, "context")
    if not isinstance(values, dict) or not 1 <= len(values) <= MAX_VALUES:
        raise Rejected("invalid_values", f"values: must be an object of 1 to {MAX_VALUES} numbers")
    if kind != "web-vitals":
        return [_own(kind, name, value, labels(page=page), ts) for name, value in values.items()]
    found = [name for name in VITALS if name.lower() in values]
    if not found:
        raise Rejected("unknown_metric", f"values: must hold one of {', '.join(VITALS).lower()}")
    return [
        point
        for name in found
        for point in vocabulary.vital(
            name,
            values[name.lower()],
            values.get("delta"),
            page=page,
            navigation_type=context.get("navigation_type"),
            ts=ts,
        )
    ]


def _own(kind: str, name: str, value: object, said: Mapping[str, str], ts: Time) -> Row | Rejected:
    """A value of a user's own measurement, or why it is none: the others of the measurement count."""
    try:
        metric = _ODD.sub("_", f"measurement.{kind}.{name}")[:MAX_METRIC_BYTES]
        return MetricPoint(metric, number(value, "values"), "", said, ts=ts)
    except Rejected as refused:
        return refused


def _timing(item: Mapping[str, Any], page: str, ts: Time) -> MetricPoint | None:
    """The point of an event that says how long a request or a file took; None for any other event."""
    name, said = _text(item, "name"), _part(item, "attributes")
    if name == "faro.performance.resource" and "duration" in said:
        seconds = _number(said, "duration") / 1e3
        return vocabulary.duration(vocabulary.RESOURCE, seconds, labels(name=said.get("name"), page=page), ts)
    if name.startswith("faro.tracing.") and "duration_ns" in said:
        endpoint, method, status = (_first(said, names) for names in (_URL, _METHOD, _STATUS))
        seconds = _number(said, "duration_ns") / 1e9
        return vocabulary.api_response(seconds, endpoint=endpoint, method=method, status=status, ts=ts)
    return None


def _event(item: Mapping[str, Any], event_id: str, ts: Time, context: EventContext) -> MappedEvent:
    name, said = _text(item, "name"), _part(item, "attributes")
    if name == "faro.performance.navigation":
        return vocabulary.page_view(event_id, ts, context, more=said)
    if name == "view_changed" and _text(said, "fromView") not in _NO_VIEW:
        return vocabulary.page_view(event_id, ts, context, name=_text(said, "toView"), more=said)
    if name == FUNNEL_STEP:
        step, funnel = _text(said, "step"), _text(said, "funnel")
        return vocabulary.funnel_step(event_id, ts, context, step=step, funnel=funnel, more=said)
    return vocabulary.event(name, event_id, ts, context, more=said)


def _exception(item: Mapping[str, Any], event_id: str, ts: Time, context: EventContext) -> MappedEvent:
    fatal, frames = item.get("fatal"), _part(item, "stacktrace").get("frames")
    more = {"attributes": _part(item, "context")} if item.get("context") else {}
    return vocabulary.error(
        event_id,
        ts,
        context,
        type_=_text(item, "type"),
        message=_text(item, "value"),
        handled=not fatal if isinstance(fatal, bool) else None,
        stack=[_frame(each) for each in frames[: vocabulary.MAX_FRAMES] if isinstance(each, dict)]
        if isinstance(frames, list)
        else (),
        more=more,
    )


def _frame(said: Mapping[str, Any]) -> Frame:
    return Frame(
        _text(said, "function"), _text(said, "filename"), _position(said, "lineno"), _position(said, "colno")
    )


def _log(item: Mapping[str, Any], event_id: str, ts: Time, context: EventContext) -> MappedEvent:
    return vocabulary.log(
        event_id,
        ts,
        context,
        level=_text(item, "level") or "info",
        message=_text(item, "message"),
        attributes=_part(item, "context"),
    )


def _time(item: Mapping[str, Any]) -> Time:
    ts = item.get("timestamp")
    return None if ts is None else instant_of(ts)


def _part(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = item.get(name)
    return part if isinstance(part, dict) else {}


def _text(item: Mapping[str, Any], name: str) -> str:
    text = item.get(name)
    return text if isinstance(text, str) else ""


def _position(item: Mapping[str, Any], name: str) -> int | None:
    position = item.get(name)
    return position if isinstance(position, int) else None


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((_text(item, name) for name in names if name in item), "")


def _number(item: Mapping[str, Any], name: str) -> float:
    """A number that came as a text."""
    try:
        value = float(item[name])
    except (TypeError, ValueError) as error:
        raise Rejected(f"invalid_{name}", f"{name}: must be a number") from error
    if not isfinite(value):
        raise Rejected(f"invalid_{name}", f"{name}: must be finite")
    return value
