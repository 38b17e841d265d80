"""What attributes say of where an event happened, and attributes as JSON.

Names are those of OpenTelemetry's semantic conventions, older ones after newer ones. What a record says goes before
what its resource says.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from services.gateway.intake.protocols.otlp.map import Attributes, Value, text_of
from services.gateway.intake.protocols.vocabulary import EventContext
from shared.model.event import MAX_ID

MAX_TEXT = 4096
"""Characters of a text in an attribute that are kept."""

SESSION, USER = ("session.id",), ("user.id", "enduser.id")

PROPERTIES = {
    "service": ("service.name",),
    "release": ("service.version",),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "url": ("url.full", "http.url"),
    "user_agent": ("user_agent.original", "http.user_agent", "browser.user_agent"),
    "sdk": ("telemetry.sdk.name",),
}
"""Property of an event -> the attributes that say it."""

_PLAIN = frozenset({int, bool, type(None)})
"""Types of values that JSON has as they are."""

_TAKEN = frozenset(name for names in (SESSION, USER, *PROPERTIES.values()) for name in names)


class Origin(NamedTuple):
    """Where records come from."""

    resource: Attributes
    context: EventContext
    """What resource and scope say of their events."""
    content: bytes
    """What they came as."""


def origin_of(resource: Attributes, scope: str, content: bytes) -> Origin:
    """The origin with this resource and the scope of this name, which came as `content`."""
    context = _said({"logger": printable(scope)}, resource, EventContext())
    return Origin(resource, context, content)


def context_of(attributes: Attributes, origin: Origin, ids: Mapping[str, str]) -> EventContext:
    """Session, user and properties of an event; `ids` are those of its trace."""
    session, user, properties = origin.context
    properties = {**properties, **ids}
    if _TAKEN.isdisjoint(attributes):
        return EventContext(session, user, properties)
    return _said(properties, attributes, origin.context)


def _said(properties: dict[str, str], attributes: Attributes, other: EventContext) -> EventContext:
    """What attributes say, and what else was said before."""
    for name, names in PROPERTIES.items():
        if text := first_of(names, attributes):
            properties[name] = text
    session, user = (first_of(names, attributes)[:MAX_ID] for names in (SESSION, USER))
    return EventContext(session or other.session_id, user or other.user_id, properties)


def first_of(names: Iterable[str], *of: Attributes) -> str:
    """The text of the first of these attributes that is there, empty where none is."""
    for attributes in of:
        for name in names:
            if (value := attributes.get(name)) is not None:
                return printable(text_of(value))[:MAX_TEXT]
    return ""


def others(attributes: Attributes, taken: Iterable[str] = ()) -> dict[str, Any]:
    """The attributes that nothing else of an event says, as JSON has them."""
    left = _TAKEN.union(taken)
    return {
        printable(name): value if type(value) in _PLAIN else as_json(value)
        for name, value in attributes.items()
        if name not in left
    }


def as_json(value: Value) -> Any:
    """A value as JSON has it: bytes are base64, numbers that are none are texts."""
    match value:
        case str():
            return printable(value)[:MAX_TEXT]
        case bytes():
            return b64encode(value).decode()[:MAX_TEXT]
        case float() if not math.isfinite(value):
            return text_of(value)
        case list():
            return list(map(as_json, value))
        case dict():
            return {printable(name): as_json(one) for name, one in value.items()}
    return value


def printable(text: str) -> str:
    """A text that a table can hold: without the character 0."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text
