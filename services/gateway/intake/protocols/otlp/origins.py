"""Resources and scopes out of protobuf and JSON: what tells one origin of points from another.

A resource is told by its attributes, a scope by name, version and attributes.
"""

import orjson

from services.gateway.intake.columns.json import mended
from services.gateway.intake.protocols.otlp.attributes import attributes_of, attributes_of_pairs
from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES
from shared.errors import Rejected

_Resource, _Scope = MESSAGES["Resource"], MESSAGES["Scope"]


def _unreadable() -> Rejected:
    return Rejected(
        "invalid_resource", "resource: it, or its scope, does not fit the schema of OTLP in UTF-8"
    )


def origin_of(resource: bytes, scope: bytes) -> tuple[Attributes, Attributes]:
    """The attributes of a resource, and what tells its scope from others; raise `Rejected`."""
    try:
        of_resource, of_scope = _Resource.FromString(resource), _Scope.FromString(scope)
    except BROKEN as error:
        raise _unreadable() from error
    told_by = _scope(of_scope.name, of_scope.version, attributes_of(of_scope.attributes))
    return attributes_of(of_resource.attributes), told_by


def origin_of_json(resource: bytes, scope: bytes) -> tuple[Attributes, Attributes]:
    """The same of two JSON objects, or of what is absent; raise `Rejected`."""
    of_resource, of_scope = _object(resource), _object(scope)
    name, version = of_scope.get("name") or "", of_scope.get("version") or ""
    if not isinstance(name, str) or not isinstance(version, str):
        raise _unreadable()
    return _attributes(of_resource), _scope(name, version, _attributes(of_scope))


def _object(text: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(mended(text)) if text else None
    except orjson.JSONDecodeError as error:
        raise _unreadable() from error
    if not isinstance(found, dict | None):
        raise _unreadable()
    return found or {}


def _attributes(fields: dict[str, object]) -> Attributes:
    return attributes_of_pairs(fields.get("attributes"))


def _scope(name: str, version: str, attributes: Attributes) -> Attributes:
    return {"name": name, "version": version, "attributes": attributes}
