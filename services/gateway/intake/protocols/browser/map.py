"""The items of our browser client as points and events, by `kind`.

Milliseconds UTC. Stacks come as the browser writes them, so that the client need not read them. Sources: the forms of
`Error.stack` in V8 ("at f (file:1:2)") and in SpiderMonkey and JavaScriptCore ("f@file:1:2").
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from services.gateway.intake.columns.rows import MetricPoint, Row, Time
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

MAX_STACK = 16 << 10
"""Characters of a stack that are read."""

MAX_LINE = 512
"""Longest line of a stack that is read."""

_FRAME = re.compile(r"\s*(?:at (?:(?P<called>[^()]+) \()?|(?P<named>[^@\s]*)@)(?P<file>\S+?):(?P<line>\d{1,9})"
                    r"(?::(?P<column>\d{1,9}))?\)?\s*")  # fmt: skip


class Context(NamedTuple):
    """What all items of a body share."""

    event: EventContext
    weight: float
    """How many points each one stands for."""
    clock_error_ms: int
    """What is added to the times that the client says."""


def rows_of(item: Mapping[str, Any], context: Context) -> list[Row]:
    """The points or the event of an item; raise `Rejected` naming the field."""
    kind = item.get("kind")
    make = _MAKERS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise Rejected("unknown_kind", f"kind: must be one of {', '.join(_MAKERS)}")
    ts = item.get("ts")
    if ts is not None:
        ts = int(max(-1e15, min(1e15, number(ts, "ts")))) + context.clock_error_ms
    return make(item, ts, context)


def _vital(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    name, seq = item.get("name"), item.get("seq")
    if not isinstance(name, str) or name not in VITALS:
        raise Rejected("unknown_metric", f"name: must be one of {', '.join(VITALS)}")
    points = vocabulary.vital(
        name,
        item.get("value"),
        item.get("delta"),
        first=seq == 0 if isinstance(seq, int) else None,
        page=item.get("page"),
        navigation_type=item.get("navigationType"),
        ts=ts,
    )
    return [_weighed(point, context) for point in points]


def _api(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    seconds = number(item.get("ms"), "ms") / 1000
    endpoint, method, status = item.get("endpoint"), item.get("method"), item.get("status")
    return [
        _weighed(
            vocabulary.api_response(seconds, endpoint=endpoint, method=method, status=status, ts=ts), context
        )
    ]


def _duration(metric: str) -> Callable[[Mapping[str, Any], Time, Context], list[Row]]:
    def duration(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
        said = labels(name=item.get("name"), page=item.get("page"))
        return [_weighed(vocabulary.duration(metric, number(item.get("ms"), "ms") / 1000, said, ts), context)]

    return duration


def _memory(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    said = labels(page=item.get("page"))
    return [_weighed(vocabulary.ratio(vocabulary.HEAP_RATIO, number(item.get("value")), said, ts), context)]


def _discarded(item: Mapping[str, Any], ts: Time, _: Context) -> list[Row]:
    return [vocabulary.discarded(number(item.get("count"), "count"), item.get("reason"), "browser", ts)]


def _error(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    handled, stack = item.get("handled"), item.get("stack")
    return [
        vocabulary.error(
            _id(item),
            ts,
            _where(item, context),
            type_=_text(item, "type"),
            message=_text(item, "message"),
            handled=handled if isinstance(handled, bool) else None,
            stack=frames_of(stack) if isinstance(stack, str) else (),
            more=_properties(item),
        )
    ]


def _page_view(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    return [
        vocabulary.page_view(
            _id(item), ts, _where(item, context), name=_text(item, "name"), more=_properties(item)
        )
    ]


def _step(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    step, funnel, more = _text(item, "step"), _text(item, "funnel"), _properties(item)
    return [vocabulary.funnel_step(_id(item), ts, _where(item, context), step=step, funnel=funnel, more=more)]


def _event(item: Mapping[str, Any], ts: Time, context: Context) -> list[Row]:
    where, more = _where(item, context), _properties(item)
    return [vocabulary.event(_text(item, "type"), _id(item), ts, where, name=_text(item, "name"), more=more)]


_MAKERS: dict[str, Callable[[Mapping[str, Any], Time, Context], list[Row]]] = {
    "vital": _vital, "api": _api, "resource": _duration(vocabulary.RESOURCE),
    "operation": _duration(vocabulary.OPERATION), "render": _duration(vocabulary.RENDER), "memory": _memory,
    "discarded": _discarded, "error": _error, "page_view": _page_view, "step": _step, "event": _event,
}  # fmt: skip
"""Kind of an item -> what makes its rows."""


def frames_of(stack: str) -> list[Frame]:
    """The calls on a stack, the innermost one first; lines of another form are passed over."""
    found = (_FRAME.fullmatch(line) for line in stack[:MAX_STACK].splitlines() if len(line) <= MAX_LINE)
    return [
        Frame(
            (each["called"] or each["named"] or "").strip(),
            each["file"],
            int(each["line"]),
            int(each["column"]) if each["column"] else None,
        )
        for each in found
        if each
    ]


def _weighed(point: MetricPoint, context: Context) -> MetricPoint:
    return msgspec.structs.replace(point, weight=point.weight * context.weight)


def _where(item: Mapping[str, Any], context: Context) -> EventContext:
    """The context of a body at the page of an item."""
    event = context.event
    return event._replace(properties={"url": label_text(item.get("page")), **event.properties})


def _id(item: Mapping[str, Any]) -> str:
    event_id = item.get("id")
    if not isinstance(event_id, str):
        raise Rejected("invalid_id", "id: must be given, a text")
    return event_id


def _text(item: Mapping[str, Any], name: str) -> str:
    text = item.get(name)
    return text if isinstance(text, str) else ""


def _properties(item: Mapping[str, Any]) -> dict[str, Any]:
    properties = item.get("properties") or {}
    if not isinstance(properties, dict):
        raise Rejected("invalid_properties", "properties: must be an object")
    return properties
