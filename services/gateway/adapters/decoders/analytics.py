"""The bodies of `/api/analytics/*`: one object, a list, or a list under a name, made into our own bodies.

Milliseconds UTC. The law: each item is refused by itself under its own index, and what is left goes the way of our own
bodies, with all their checks.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import orjson

from services.gateway.adapters.decoders import events, native
from services.gateway.adapters.decoders.vitals import point_of
from services.gateway.domain.admission import Rejection
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP
from shared.model.funnel import EFFECT_CREATION, joined

Make = Callable[[Any], dict[str, Any]]


class Analytics:
    """Decodes these bodies with the decoders of our own."""

    def __init__(self, points: native.Decoder, happenings: events.Decoder) -> None:
        self._points = points
        self._events = happenings

    def metrics(self, body: bytes, tenant_id: int, received_at_ms: int) -> native.Decoded:
        """Web vitals and other performance metrics, to points."""
        content, places, refused = _made(body, "metrics", "points", point_of)
        decoded = (
            self._points.decode(content, tenant_id, received_at_ms) if places else self._points.nothing()
        )
        return native.Decoded(decoded.catalogue, decoded.points, _merged(decoded.rejected, places, refused))

    def happened(self, body: bytes, tenant_id: int, received_at_ms: int) -> events.Decoded:
        """Events under the names of older clients."""
        return self._decoded(body, "events", lambda item: _event(item, tenant_id), tenant_id, received_at_ms)

    def steps(self, body: bytes, tenant_id: int, received_at_ms: int) -> events.Decoded:
        """Steps of a funnel, to events."""
        return self._decoded(body, "steps", lambda item: _step(item, tenant_id), tenant_id, received_at_ms)

    def _decoded(
        self, body: bytes, name: str, make: Make, tenant_id: int, received_at_ms: int
    ) -> events.Decoded:
        content, places, refused = _made(body, name, "events", make)
        decoded = (
            self._events.decode(content, tenant_id, received_at_ms) if places else events.Decoded([], [])
        )
        return events.Decoded(decoded.events, _merged(decoded.rejected, places, refused))


def _made(body: bytes, name: str, ours: str, make: Make) -> tuple[bytes, list[int], list[Rejection]]:
    """Our own body, the index that each of its items had, and the items that are not in it."""
    made, places, refused = [], [], []
    for index, item in enumerate(_items(body, name)):
        try:
            made.append(make(item))
            places.append(index)
        except Rejected as error:
            refused.append(Rejection(index, error.code, error.message))
    return orjson.dumps({ours: made}), places, refused


def _items(body: bytes, name: str) -> list[Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Rejected("malformed_json", "body: must be one JSON document in UTF-8") from error
    found = content.get(name, content) if isinstance(content, dict) else content
    if not isinstance(found, (dict, list)) or not found:
        raise Rejected(
            "invalid_body", f"{name}: must be an object, a list of objects, or such a list by this name"
        )
    return found if isinstance(found, list) else [found]


def _merged(rejected: list[Rejection], places: list[int], refused: list[Rejection]) -> list[Rejection]:
    theirs = [Rejection(places[each.index], each.code, each.message) for each in rejected]
    return sorted([*theirs, *refused], key=lambda each: each.index)


_SPELLINGS = {
    "event_id": ("event_id", "eventId", "id"), "type": ("type", "eventType", "event_type"),
    "name": ("name", "eventName", "event_name"), "ts": ("ts", "timestamp", "t_client"),
    "session_id": ("session_id", "sessionId"), "user_id": ("user_id", "userId"),
    "properties": ("properties", "metadata", "eventData"),
}  # fmt: skip
"""Our field -> how clients spell it."""


def _event(item: Any, tenant_id: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Rejected("invalid_event", "event: must be an object")
    fields = {ours: _first(item, spellings) for ours, spellings in _SPELLINGS.items()}
    fields["event_id"] = fields["event_id"] or _id(item, tenant_id, timed=fields["ts"] is not None)
    return {name: value for name, value in fields.items() if value is not None}


def _step(item: Any, tenant_id: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Rejected("invalid_step", "step: must be an object")
    event = _event({**item, "type": FUNNEL_STEP, "name": None}, tenant_id)
    step, funnel = _first(item, ("step", "stepName")), _first(item, ("funnel", "funnelName"))
    if not isinstance(step, str):
        raise Rejected("unknown_step", "step: must be given, the name of a step")
    properties = event.get("properties", {})
    if not isinstance(properties, dict):
        raise Rejected("invalid_properties", "metadata: must be an object")
    return event | {
        "name": joined(step),
        "properties": {**properties, "funnel": EFFECT_CREATION.name if funnel is None else funnel},
    }


def _id(item: dict[str, Any], tenant_id: int, *, timed: bool) -> str:
    """An id for an item without one: of its content when it bears a time, so that a repeat is known."""
    if not timed:
        return str(uuid4())
    content = orjson.dumps([tenant_id, item], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=16).hexdigest()


def _first(item: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)
