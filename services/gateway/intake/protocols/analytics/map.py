"""The events and funnel steps of older clients as fields of ours, and the columns of what was good in a request.

Milliseconds UTC. A spelling that clients use for one of our fields stands in `_SPELLINGS`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from types import NoneType
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import numpy as np

from services.gateway.intake.columns.contract import EventColumns, PointColumns
from services.gateway.intake.columns.event_fields import EventFields, event_misfit
from services.gateway.intake.columns.json import time_of
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, check_depth
from shared.model.funnel import EFFECT_CREATION, joined

Item = Mapping[str, Any]

_SPELLINGS = {
    "event_id": ("event_id", "eventId", "id"), "type": ("type", "eventType", "event_type"),
    "name": ("name", "eventName", "event_name"), "ts": ("ts", "timestamp", "t_client"),
    "session_id": ("session_id", "sessionId"), "user_id": ("user_id", "userId"),
    "properties": ("properties", "metadata", "eventData"),
}  # fmt: skip
"""Our field -> how clients spell it."""


class MetricPoint(msgspec.Struct, gc=False):
    """The point that a metric stands for."""

    name: str
    value: float
    unit: str
    labels: Mapping[str, str]
    kind: str = "gauge"
    ts: int | datetime | None = None


class MappedEvent(NamedTuple):
    """An event with its properties beside it."""

    fields: EventFields
    properties: object


def point_columns(points: Sequence[MetricPoint], index: Sequence[int], received_at_ms: int) -> PointColumns:
    """The columns of these points."""
    return PointColumns(
        [point.name for point in points],
        # No JSON text begins like a map of MessagePack, so that these are never taken for labels of `native`.
        [msgspec.msgpack.encode(point.labels) for point in points],
        lambda row: points[row].labels,
        [(point.kind, point.unit) for point in points],
        np.array([time_of(point.ts, received_at_ms) for point in points], np.int64),
        np.array([point.value for point in points], np.float64),
        timed=None not in [point.ts for point in points],
        index=index,
    )


def event_columns(events: Sequence[MappedEvent], index: Sequence[int], received_at_ms: int) -> EventColumns:
    """The columns of these events."""
    fields = [event.fields for event in events]
    return EventColumns(
        [each.event_id for each in fields],
        [each.type for each in fields],
        [time_of(each.ts, received_at_ms) for each in fields],
        [each.name for each in fields],
        [each.session_id for each in fields],
        [each.user_id for each in fields],
        [event.properties for event in events],
        index,
    )


def event_of(item: Item, raw: bytes, tenant_id: int) -> MappedEvent:
    """The event of an item and its bytes; raise `Rejected`."""
    fields = _fields(item, raw, tenant_id)
    return _event(fields, fields.pop("properties", {}))


def step_of(item: Item, raw: bytes, tenant_id: int) -> MappedEvent:
    """The step of a funnel as an event; raise `Rejected`."""
    fields = _fields({**item, "type": FUNNEL_STEP, "name": None}, raw, tenant_id)
    step, funnel = first_of(item, ("step", "stepName")), first_of(item, ("funnel", "funnelName"))
    if not isinstance(step, str):
        raise Rejected("unknown_step", "step: must be given, the name of a step")
    if not isinstance(funnel, (str, NoneType)):
        raise Rejected("unknown_funnel", "funnel: must be the name of a funnel")
    given = fields.pop("properties", {})
    if not isinstance(given, dict):
        raise Rejected("invalid_properties", "properties: must be an object")
    properties = {
        **given,
        "funnel": EFFECT_CREATION.name if funnel is None else funnel,
    }
    return _event(fields | {"name": joined(step)}, properties)


def first_of(item: Item, names: Sequence[str]) -> Any:
    """The first of these fields that is there."""
    for name in names:
        value = item.get(name)
        if value is not None:
            return value
    return None


def _fields(item: Item, raw: bytes, tenant_id: int) -> dict[str, Any]:
    """Our fields of an item, as far as it has them."""
    fields = {ours: first_of(item, spellings) for ours, spellings in _SPELLINGS.items()}
    for name, value in fields.items():
        if name == "properties" and isinstance(value, dict):
            check_depth(value)
        elif isinstance(value, (dict, list)):
            must = "must be an object" if name == "properties" else "must not be an object or a list"
            raise Rejected(f"invalid_{name}", f"{name}: {must}")
    if isinstance(fields["ts"], float):
        fields["ts"] = int(fields["ts"])  # clocks of browsers have fractions
    if fields["event_id"] is None:
        fields["event_id"] = _id(raw, tenant_id) if fields["ts"] is not None else str(uuid4())
    return {name: value for name, value in fields.items() if value is not None}


def _event(fields: dict[str, Any], properties: object) -> MappedEvent:
    try:
        return MappedEvent(msgspec.convert(fields, EventFields), properties)
    except msgspec.ValidationError as error:
        misfit = event_misfit(0, str(error))
        raise Rejected(misfit.code, misfit.message) from error


def _id(raw: bytes, tenant_id: int) -> str:
    """An id of the content, so that a repeat is known."""
    return blake2b(b"%d " % tenant_id + raw, digest_size=16).hexdigest()
