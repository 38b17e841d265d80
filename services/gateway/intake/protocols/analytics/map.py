"""The events, funnel steps and alerts of older clients as fields of ours.

Milliseconds UTC. A spelling that clients use for one of our fields stands in `_SPELLINGS`, for a property of an alert
in `_ALERT`.
"""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any
from uuid import uuid4

import msgspec
import orjson

from services.gateway.intake.columns.json import whole_ms
from services.gateway.intake.columns.rows import ContentIds, MappedEvent, event_from
from services.gateway.intake.protocols.vocabulary import ALERT
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, check_depth
from shared.model.funnel import EFFECT_CREATION, joined
from shared.wire.events import NO_PROPERTIES

Item = Mapping[str, Any]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_SPELLINGS = {
    "event_id": ("event_id", "eventId", "id"), "type": ("type", "eventType", "event_type"),
    "name": ("name", "eventName", "event_name"), "ts": ("ts", "timestamp", "t_client"),
    "session_id": ("session_id", "sessionId"), "user_id": ("user_id", "userId"),
    "properties": ("properties", "metadata", "eventData"),
}  # fmt: skip
"""Our field -> how clients spell it."""

_ALERT = {
    "message": ("message", "description"), "metric": ("metric", "metricName", "metricType"),
    "value": ("value", "currentValue", "actualValue"), "threshold": ("threshold", "thresholdValue"),
    "endpoint": ("endpoint", "route"), "page": ("page", "url"), "resolved": ("resolved", "isResolved"),
}  # fmt: skip
"""Property of an alert -> how clients spell it."""

SEVERITIES = ("info", "warning", "critical")
"""How grave an alert is."""

_REVENUE = ("revenue", "value")


def event_of(item: Item, raw: bytes, ids: ContentIds) -> MappedEvent:
    """The event of an item and its bytes; raise `Rejected`."""
    fields = _fields(item, raw, ids)
    fields.pop("properties", None)
    return event_from(fields, _properties(item, raw))


def step_of(item: Item, raw: bytes, ids: ContentIds) -> MappedEvent:
    """The step of a funnel as an event, with its revenue as a property; raise `Rejected`."""
    fields = _fields({**item, "type": FUNNEL_STEP, "name": None}, raw, ids)
    step, funnel = first_of(item, ("step", "stepName")), first_of(item, ("funnel", "funnelName"))
    if not isinstance(step, str):
        raise Rejected("unknown_step", "step: must be given, the name of a step")
    if not isinstance(funnel, (str, NoneType)):
        raise Rejected("unknown_funnel", "funnel: must be the name of a funnel")
    named = {"funnel": msgspec.Raw(orjson.dumps(EFFECT_CREATION.name if funnel is None else funnel))}
    properties = _members_of(fields, item, raw) | _spelt({"revenue": _REVENUE}, item, raw) | named
    return event_from(fields | {"name": joined(step)}, msgspec.Raw(msgspec.json.encode(properties)))


def alert_of(item: Item, raw: bytes, ids: ContentIds) -> MappedEvent:
    """The alert that a client raised by itself, as an event named after its kind; raise `Rejected`."""
    name = first_of(item, ("alertType", "alert_type", "type", "name"))
    severity = first_of(item, ("severity", "level"))
    if not isinstance(name, str):
        raise Rejected("invalid_type", "type: must be given, the kind of the alert")
    if severity is not None and (not isinstance(severity, str) or severity.lower() not in SEVERITIES):
        raise Rejected("invalid_severity", f"severity: must be one of {', '.join(SEVERITIES)}")
    fields = _fields({**item, "type": ALERT, "name": name}, raw, ids)
    grave = {"severity": msgspec.Raw(orjson.dumps((severity or "warning").lower()))}
    properties = _members_of(fields, item, raw) | _spelt(_ALERT, item, raw) | grave
    return event_from(fields, msgspec.Raw(msgspec.json.encode(properties)))


def first_of(item: Item, names: Sequence[str]) -> Any:
    """The first of these fields that is there."""
    for name in names:
        value = item.get(name)
        if value is not None:
            return value
    return None


def _fields(item: Item, raw: bytes, ids: ContentIds) -> dict[str, Any]:
    """Our fields of an item, as far as it has them."""
    fields = {ours: first_of(item, spellings) for ours, spellings in _SPELLINGS.items()}
    for name, value in fields.items():
        if name == "properties" and isinstance(value, dict):
            check_depth(value)
        elif isinstance(value, (dict, list)):
            must = "must be an object" if name == "properties" else "must not be an object or a list"
            raise Rejected(f"invalid_{name}", f"{name}: {must}")
    if isinstance(fields["ts"], float):
        fields["ts"] = whole_ms(fields["ts"])  # clocks of browsers have fractions
    for name in ("event_id", "session_id", "user_id"):
        if type(fields[name]) in (int, float):
            fields[name] = orjson.dumps(fields[name]).decode()
    if fields["event_id"] is None:
        fields["event_id"] = ids.of(raw) if fields["ts"] is not None else str(uuid4())
    return {name: value for name, value in fields.items() if value is not None}


def _properties(item: Item, raw: bytes) -> msgspec.Raw:
    """The properties of an item as they stand in its bytes; an empty object where it has none."""
    name = next((name for name in _SPELLINGS["properties"] if item.get(name) is not None), None)
    return NO_PROPERTIES if name is None else _members(raw)[name]


def _members_of(fields: dict[str, Any], item: Item, raw: bytes) -> dict[str, msgspec.Raw]:
    """The properties of an item by name, each as it stands in its bytes; takes them out of `fields`."""
    if not isinstance(fields.pop("properties", {}), dict):
        raise Rejected("invalid_properties", "properties: must be an object")
    return _members(_properties(item, raw))


def _spelt(names: Mapping[str, Sequence[str]], item: Item, raw: bytes) -> dict[str, msgspec.Raw]:
    """Those of these properties that an item has beside the others, each as it stands in its bytes."""
    members = _members(raw)
    found = {ours: [name for name in theirs if item.get(name) is not None] for ours, theirs in names.items()}
    return {ours: members[given[0]] for ours, given in found.items() if given}
