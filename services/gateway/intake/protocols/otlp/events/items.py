"""Log records and spans one by one, out of protobuf and JSON, each with the resource and the scope that it came from.

Records stay bytes until each is looked at, so that a broken one is refused by itself. Invariant: each record of the
request is an item, whether it can be read or not.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from services.gateway.intake.columns.contract import Request
from services.gateway.intake.columns.json import BROKEN as BROKEN_JSON
from services.gateway.intake.columns.json import malformed, mending
from services.gateway.intake.protocols.otlp.events.context import Origin
from services.gateway.intake.protocols.otlp.events.context import origin_of as made_origin
from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.otlp.origins import origin_of, origin_of_json
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES
from services.gateway.intake.steps import Steps
from shared.errors import Rejected

T = TypeVar("T")

TOO_MANY = "too_many_events"
"""Code of the records that are more than a request may hold."""


class Item(NamedTuple):
    """A record as it came."""

    record: bytes
    origin: Origin | Rejected
    """Why the origin cannot be read, where it cannot."""


class Shape(NamedTuple):
    """Where records stand in a request."""

    request: str
    """The message, and the word before `Request` in the name of the specification."""
    of_resources: tuple[str, str]
    """The fields of the request and of a resource, in protobuf; in JSON they are the same in camel case."""
    records: str


LOGS = Shape("Logs", ("resource_logs", "scope_logs"), "log_records")
SPANS = Shape("Trace", ("resource_spans", "scope_spans"), "spans")


def items_of(asked: Request, shape: Shape, *, json: bool) -> Steps[list[Item]]:
    """All records of a request in their order; raise `Rejected` for a body that is no export request."""
    body = (yield from mending(asked.body)) if json else asked.body
    groups = _groups_in_json(body, shape) if json else _groups(body, shape)
    read = origin_of_json if json else origin_of
    found: list[Item] = []
    for number, (resource, scope, records) in enumerate(groups):
        asked.expect(max(number, len(found) + len(records)))
        origin = _origin(resource, scope, read)
        found.extend([Item(record, origin) for record in records])
        yield
    return found


Group = tuple[bytes, bytes, Sequence[bytes]]
"""A resource, a scope and the records of both."""


def _groups(body: bytes, shape: Shape) -> Iterator[Group]:
    try:
        request = MESSAGES[f"{shape.request}Request"].FromString(body)
    except BROKEN as error:
        raise Rejected(
            "malformed_protobuf", f"body: must be an Export{shape.request}ServiceRequest"
        ) from error
    of_request, of_resource = shape.of_resources
    for by_resource in getattr(request, of_request):
        for by_scope in getattr(by_resource, of_resource):
            yield b"".join(by_resource.resource), b"".join(by_scope.scope), getattr(by_scope, shape.records)


def _groups_in_json(body: bytes, shape: Shape) -> Iterator[Group]:
    try:
        for by_resource in _list(_object(body), shape.of_resources[0]):
            resource = _object(by_resource)
            for by_scope in _list(resource, shape.of_resources[1]):
                scope = _object(by_scope)
                yield _given(resource, "resource"), _given(scope, "scope"), _list(scope, shape.records)
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", f"body: must be an Export{shape.request}ServiceRequest") from error
    except BROKEN_JSON as error:
        raise malformed(error) from error


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_lists = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


def _object(text: bytes) -> dict[str, msgspec.Raw]:
    return _members(text)


def _list(of: dict[str, msgspec.Raw], name: str) -> Sequence[bytes]:
    """The members of a list, in camel case; none where it is absent or null."""
    return list(map(bytes, _lists(_given(of, _camel(name)) or b"null") or ()))


def _given(of: dict[str, msgspec.Raw], name: str) -> bytes:
    return bytes(of.get(name, b""))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _origin(
    resource: bytes, scope: bytes, read: Callable[[bytes, bytes], tuple[Attributes, Attributes]]
) -> Origin | Rejected:
    try:
        of_resource, of_scope = read(resource, scope)
    except Rejected as refused:
        return refused
    return made_origin(of_resource, str(of_scope["name"]), resource + scope)


def taken_of(
    items: Sequence[Item], limit: int, take: Callable[[bytes, Origin], Sequence[T]]
) -> Callable[[int], Sequence[T]]:
    """What takes the item of a place; raises `Rejected` for one that cannot be read, and beyond so many."""

    def taken(place: int) -> Sequence[T]:
        record, origin = items[place]
        if place >= limit:
            raise Rejected(TOO_MANY, f"records: at most {limit} a request")
        if isinstance(origin, Rejected):
            raise origin
        return take(record, origin)

    return taken
