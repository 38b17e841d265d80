"""The bodies of `/api/analytics/*`: one object, a list, or a list under a name, made into our own bodies.

Milliseconds UTC. The law: each item is refused by itself under its own index, and what is left goes the way of our own
bodies, with all their checks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from operator import attrgetter
from types import NoneType
from typing import Any
from uuid import uuid4

import msgspec
import orjson

from services.gateway.intake.columns.json import BROKEN, malformed, mended
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.analytics.vitals import point_of
from services.gateway.intake.protocols.native import events
from services.gateway.intake.protocols.native import points as native
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, check_depth
from shared.model.funnel import EFFECT_CREATION, joined

Item = dict[str, Any]
Make = Callable[[Item, bytes], Item]
"""An item and its bytes, to one of our own; raises `Rejected`."""

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Analytics:
    """Decodes these bodies with the decoders of our own."""

    def __init__(self, point_decoder: native.Decoder, event_decoder: events.Decoder) -> None:
        self._points = point_decoder
        self._events = event_decoder

    def metrics(self, body: bytes, tenant_id: int, received_at_ms: int) -> native.Decoded:
        """Web vitals and other performance metrics, to points."""
        made = _made(body, "metrics", self._points.check_size, lambda item, _: point_of(item))
        own = made.body("points")
        decoded = (
            self._points.decode(own, tenant_id, received_at_ms) if made.places else self._points.nothing()
        )
        return replace(decoded, rejected=made.merged(decoded.rejected))

    def legacy_events(self, body: bytes, tenant_id: int, received_at_ms: int) -> events.Decoded:
        """Events under the names of older clients."""
        made = _made(body, "events", self._events.check_size, lambda item, raw: _event(item, raw, tenant_id))
        return self._decoded(made, tenant_id, received_at_ms)

    def steps(self, body: bytes, tenant_id: int, received_at_ms: int) -> events.Decoded:
        """Steps of a funnel, to events."""
        made = _made(body, "steps", self._events.check_size, lambda item, raw: _step(item, raw, tenant_id))
        return self._decoded(made, tenant_id, received_at_ms)

    def _decoded(self, made: "Made", tenant_id: int, received_at_ms: int) -> events.Decoded:
        own = made.body("events")
        decoded = (
            self._events.decode(own, tenant_id, received_at_ms) if made.places else events.Decoded([], [])
        )
        return events.Decoded(decoded.events, made.merged(decoded.rejected))


@dataclass(slots=True)
class Made:
    """What has become of the items of a body."""

    items: list[dict[str, Any]] = field(default_factory=list)
    """The good ones, as our own bodies have them."""
    places: list[int] = field(default_factory=list)
    """The index that each of them had."""
    refused: list[Rejection] = field(default_factory=list)
    """The others."""

    def body(self, name: str) -> bytes:
        """Our own body."""
        return orjson.dumps({name: self.items})

    def merged(self, rejected: list[Rejection]) -> list[Rejection]:
        """All that was refused, here and of our own body, by the index it had."""
        theirs = [Rejection(self.places[each.index], each.code, each.message) for each in rejected]
        return sorted([*theirs, *self.refused], key=attrgetter("index"))


def _made(body: bytes, name: str, check_size: Callable[[int], None], make: Make) -> Made:
    raws = _items(mended(body), name)
    check_size(len(raws))
    made = Made()
    for index, raw in enumerate(raws):
        try:
            made.items.append(make(_object(raw), raw))
            made.places.append(index)
        except Rejected as error:
            made.refused.append(Rejection(index, error.code, error.message))
    return made


def _items(body: bytes, name: str) -> list[bytes]:
    """The bytes of each item."""
    try:
        outer = _outer.decode(body)
        found = outer.get(name, body) if isinstance(outer, dict) else body
        one = bytes(found).strip()
        return list(map(bytes, _list.decode(one))) if one.startswith(b"[") else [one]
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", f"{name}: must be an object, or a list of objects") from error
    except BROKEN as error:
        raise malformed(error) from error


def _object(raw: bytes) -> Item:
    try:
        item = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Rejected("invalid_item", "item: holds a number or a text that cannot be read") from error
    if not isinstance(item, dict):
        raise Rejected("invalid_item", "item: must be an object")
    return item


_SPELLINGS = {
    "event_id": ("event_id", "eventId", "id"), "type": ("type", "eventType", "event_type"),
    "name": ("name", "eventName", "event_name"), "ts": ("ts", "timestamp", "t_client"),
    "session_id": ("session_id", "sessionId"), "user_id": ("user_id", "userId"),
    "properties": ("properties", "metadata", "eventData"),
}  # fmt: skip
"""Our field -> how clients spell it."""


def _event(item: Item, raw: bytes, tenant_id: int) -> Item:
    fields = {ours: _first(item, spellings) for ours, spellings in _SPELLINGS.items()}
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


def _step(item: Item, raw: bytes, tenant_id: int) -> Item:
    event = _event({**item, "type": FUNNEL_STEP, "name": None}, raw, tenant_id)
    step, funnel = _first(item, ("step", "stepName")), _first(item, ("funnel", "funnelName"))
    if not isinstance(step, str):
        raise Rejected("unknown_step", "step: must be given, the name of a step")
    if not isinstance(funnel, (str, NoneType)):
        raise Rejected("unknown_funnel", "funnel: must be the name of a funnel")
    properties = event.get("properties", {})
    return event | {
        "name": joined(step),
        "properties": {**properties, "funnel": EFFECT_CREATION.name if funnel is None else funnel},
    }


def _id(raw: bytes, tenant_id: int) -> str:
    """An id of the content, so that a repeat is known."""
    return blake2b(b"%d " % tenant_id + raw, digest_size=16).hexdigest()


def _first(item: Item, names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)
