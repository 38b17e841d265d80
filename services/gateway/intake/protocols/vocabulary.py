"""What several protocols bring, under one name: web vitals, response times, errors, logs, page views.

Milliseconds and seconds as the names say. Sources: the web-vitals library (names, limits of its ratings, `delta`).
docs/clients/mapping.md is the table of it. Invariant: of a vital that is reported again and again, the sum of the
weights is 1 and the value that counts is the last one, in whatever order the reports come.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from services.gateway.intake.columns.rows import MappedEvent, MetricPoint, Time, event_from
from shared.errors import Rejected
from shared.model.event import ERROR, FUNNEL_STEP, MAX_NAME, MAX_PROPERTIES_BYTES
from shared.model.funnel import EFFECT_CREATION, joined
from shared.model.labels import MAX_VALUE_BYTES

VITALS = {
    "LCP": (2500, 4000), "INP": (200, 500), "FCP": (1800, 3000), "TTFB": (800, 1800), "FID": (100, 300),
    "CLS": (0.1, 0.25),
}  # fmt: skip
"""Web vital -> up to where it is good, and up to where it needs improvement."""

LONGEST_MS, LARGEST_CLS = 900_000, 100
"""Beyond these a vital is a mistake of its client."""

CLIENT_DISCARDED = "client.discarded"
"""What clients say that they have lost or left out by themselves: increments by `reason` and `category`."""

API_RESPONSE, OPERATION, RENDER, RESOURCE = (
    "api.response_seconds", "operation.seconds", "render.seconds", "resource.seconds",
)  # fmt: skip
"""Durations, as increments in seconds."""

HEAP_RATIO, CACHE_HIT_RATIO = "memory.heap_ratio", "cache.hit_ratio"
"""Gauges from 0 to 1."""

METRICS = frozenset(
    {API_RESPONSE, OPERATION, RENDER, RESOURCE, HEAP_RATIO, CACHE_HIT_RATIO, CLIENT_DISCARDED}
)
"""All metrics of this module but the vitals."""

LOG, PAGE_VIEW, SESSION_START, SESSION_END, ALERT = (
    "log",
    "page_view",
    "session_start",
    "session_end",
    "alert",
)
"""Types of events; those of errors and funnel steps stand in `shared.model.event`."""

TYPES = frozenset({LOG, PAGE_VIEW, SESSION_START, SESSION_END, ALERT})
"""All of these."""

MAX_FRAMES = 50
"""Frames of a stack that are kept, the innermost ones."""

MAX_MESSAGE = 4096
"""Characters of a message that are kept."""

LEVELS = {"warn": "warning", "critical": "fatal", "log": "info", "notice": "info"}
"""What clients call a level -> its name here; others stand as they are."""

_DECIMALS = {"CLS": 9}
"""Decimal places of a vital that are kept, 6 of milliseconds: a value and the one taken back round alike."""


class EventContext(NamedTuple):
    """Where events happened."""

    session_id: str | None = None
    user_id: str | None = None
    properties: Mapping[str, str] = {}
    """Such as `url`, `release`, `environment`, `user_agent` and `sdk`; what is empty is left out."""


class Frame(NamedTuple):
    """A call on a stack; file, line and column where they are known."""

    function: str
    file: str
    line: int | None = None
    column: int | None = None


def number(value: object, field: str = "value") -> float:
    """A number that stood in JSON; raise `Rejected`: NaN and infinities come as null."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Rejected(f"invalid_{field}", f"{field}: must be given, a number")
    try:
        return float(value)
    except OverflowError as error:
        raise Rejected("value_out_of_range", f"{field}: too large") from error


def label_text(value: object) -> str:
    """A value as a label may have it: an address without query and fragment, nothing longer than fits."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return ""
    return cut(str(value).partition("?")[0].partition("#")[0], MAX_VALUE_BYTES)


def cut(text: str, size: int) -> str:
    """The beginning of a text, as many whole characters as fit into `size` bytes."""
    packed = text.encode("utf-8", "replace")
    return packed[:size].decode("utf-8", "ignore") if len(packed) > size else text


def labels(**values: object) -> dict[str, str]:
    """Labels of those values that say something."""
    found = {name: label_text(value) for name, value in values.items()}
    return {name: text for name, text in found.items() if text}


def rating_of(name: str, value: float) -> str:
    """How good a vital is, in the words of its library."""
    good, fair = VITALS[name]
    return "good" if value <= good else "needs-improvement" if value <= fair else "poor"


def vital(
    name: str,
    value: object,
    delta: object = None,
    *,
    first: bool | None = None,
    page: object = "",
    navigation_type: object = "",
    ts: Time = None,
) -> list[MetricPoint]:
    """The point of a vital, and one that takes back what was reported of it before; raise `Rejected`.

    `delta` says by how much the value differs from the one before. Where both are equal nothing came before it, unless
    `first` is False: then it was 0. `page` is where the navigation began.
    """
    now = _bounded(name, number(value), "value")
    said = labels(page=page, navigation_type=navigation_type)
    points = [_vital(name, now, said, ts)]
    if delta is not None:
        before = _bounded(name, number(value) - number(delta, "delta"), "delta")
        if now and before == now:
            raise Rejected("no_change", "delta: 0, so that the value was reported before")
        if before or first is False:
            points.append(_vital(name, before, said, ts, -1.0))
    return points


def _bounded(name: str, value: float, field: str) -> float:
    rounded = round(value, _DECIMALS.get(name, 6))
    if not 0 <= rounded <= (LARGEST_CLS if name == "CLS" else LONGEST_MS):
        raise Rejected("value_out_of_range", f"{field}: beyond what this vital can be")
    return rounded


def _vital(name: str, value: float, said: dict[str, str], ts: Time, weight: float = 1.0) -> MetricPoint:
    unit = "1" if name == "CLS" else "ms"
    rated = {"rating": rating_of(name, value)} | said
    return MetricPoint(f"web_vital.{name.lower()}", value, unit, rated, ts=ts, weight=weight)


def api_response(
    seconds: float, *, endpoint: object = "", method: object = "", status: object = "", ts: Time = None
) -> MetricPoint:
    """How long an answer took."""
    verb = method.upper() if isinstance(method, str) else ""
    return duration(API_RESPONSE, seconds, labels(endpoint=endpoint, method=verb, status=status), ts)


def duration(metric: str, seconds: float, said: Mapping[str, str], ts: Time = None) -> MetricPoint:
    """How long something took; raise `Rejected` for less than nothing."""
    if seconds < 0:
        raise Rejected("value_out_of_range", "value: must not be negative")
    return MetricPoint(metric, seconds, "s", said, "delta", ts)


def ratio(metric: str, value: float, said: Mapping[str, str], ts: Time = None) -> MetricPoint:
    """A share of a whole; raise `Rejected` for one that is none."""
    if not 0 <= value <= 1:
        raise Rejected("value_out_of_range", "value: must be 0 to 1, or a percentage with unit '%'")
    return MetricPoint(metric, value, "1", said, ts=ts)


def discarded(quantity: float, reason: object, category: object, ts: Time = None) -> MetricPoint:
    """How much a client has lost; raise `Rejected` for less than nothing."""
    if quantity < 0:
        raise Rejected("value_out_of_range", "quantity: must not be negative")
    return MetricPoint(CLIENT_DISCARDED, quantity, "", labels(reason=reason, category=category), "delta", ts)


def event(
    type_: str,
    event_id: str,
    ts: Time,
    of: EventContext,
    *,
    name: str = "",
    more: Mapping[str, Any] | None = None,
) -> MappedEvent:
    """An event of any type, with properties of its own beside those of its context; raise `Rejected`."""
    said = {field: text for field, text in of.properties.items() if text} | dict(more or {})
    fields = {
        "event_id": event_id, "type": type_, "name": name[:MAX_NAME], "ts": ts,
        "session_id": of.session_id or None, "user_id": of.user_id or None,
    }  # fmt: skip
    return event_from(fields, msgspec.Raw(packed(said)))


def error(
    event_id: str,
    ts: Time,
    of: EventContext,
    *,
    type_: str,
    message: str,
    handled: bool | None = None,
    level: str = "error",
    stack: Sequence[Frame] = (),
    more: Mapping[str, Any] | None = None,
) -> MappedEvent:
    """An error; its name is the type of what was thrown, its stack begins with the innermost call."""
    said: dict[str, Any] = {
        "type": type_ or "Error",
        "message": message[:MAX_MESSAGE],
        "level": level_of(level),
    }
    if handled is not None:
        said["handled"] = handled
    said |= more or {}
    frames = [_frame(each) for each in stack[:MAX_FRAMES]]
    while frames and len(packed({**of.properties, **said, "stack": frames})) > MAX_PROPERTIES_BYTES:
        frames = frames[: len(frames) // 2]
    if frames:
        said["stack"] = frames
    return event(ERROR, event_id, ts, of, name=type_ or "Error", more=said)


def log(
    event_id: str, ts: Time, of: EventContext, *, level: str, message: str, attributes: Mapping[str, Any]
) -> MappedEvent:
    """A line of a log."""
    said: dict[str, Any] = {"level": level_of(level), "message": message[:MAX_MESSAGE]}
    if attributes:
        said["attributes"] = attributes
    return event(LOG, event_id, ts, of, more=said)


def page_view(
    event_id: str, ts: Time, of: EventContext, *, name: str = "", more: Mapping[str, Any]
) -> MappedEvent:
    """A page was shown, or a view of it."""
    return event(PAGE_VIEW, event_id, ts, of, name=name, more=more)


def funnel_step(
    event_id: str, ts: Time, of: EventContext, *, step: str, funnel: str = "", more: Mapping[str, Any]
) -> MappedEvent:
    """A step of a funnel, the shipped one where it is not named."""
    said = {**more, "funnel": funnel or EFFECT_CREATION.name}
    return event(FUNNEL_STEP, event_id, ts, of, name=joined(step), more=said)


def level_of(text: str) -> str:
    """A level in our words."""
    low = text.strip().lower()
    return LEVELS.get(low, low)


def packed(properties: Mapping[str, Any]) -> bytes:
    """Properties as JSON; raise `Rejected` for what has no place in it."""
    try:
        return orjson.dumps(properties)
    except orjson.JSONEncodeError as problem:
        raise Rejected(
            "invalid_properties", "properties: hold a text or a number that JSON cannot"
        ) from problem


def _frame(frame: Frame) -> dict[str, Any]:
    said = {
        "function": cut(frame.function, 256),
        "file": _file(frame.file),
        "line": frame.line,
        "column": frame.column,
    }
    return {name: value for name, value in said.items() if value not in ("", None)}


def _file(file: str) -> str:
    """An address without its query; of a path on a disk the last two parts, for the others name its owner."""
    if "://" in file:
        return label_text(file)
    return cut("/".join(file.replace("\\", "/").split("/")[-2:]), MAX_VALUE_BYTES)
