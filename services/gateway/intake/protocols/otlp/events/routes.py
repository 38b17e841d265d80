"""The endpoint that a span of a server or a client is about, as one of few: ids in a path become `{id}`.

A server says its route; a client says an address. Where neither is there, the name of the span is of few by itself.
"""

import re

from services.gateway.intake.protocols.otlp.events.context import first_of
from services.gateway.intake.protocols.otlp.map import Attributes

MAX_SEGMENTS = 8
"""Segments of a path that are kept."""

ROUTE = ("http.route", "url.template")
PATH = ("url.path", "http.target")
ADDRESS = ("url.full", "http.url")
HOST = ("server.address", "net.peer.name", "http.host")
RPC = ("rpc.service", "rpc.method")

_ID = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=[^/]*[0-9])[\w.~:@%+=-]{20,}"
)
"""A segment that is an id: a number, hexadecimal of 8 or more, a UUID, or 20 or more characters with a digit."""

_SERVER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/]*)")
"""Scheme and server of an address."""


def endpoint_of(name: str, attributes: Attributes, *, is_server: bool) -> str:
    """The endpoint of a span of this name."""
    route = first_of(ROUTE, attributes)
    if is_server:
        return route or _rpc(attributes) or templated(first_of(PATH, attributes)) or name
    address = first_of(ADDRESS, attributes)
    if address:
        return templated(address)
    host, path = first_of(HOST, attributes), route or templated(first_of(PATH, attributes))
    return (host + path if path else "") or _rpc(attributes) or name


def _rpc(attributes: Attributes) -> str:
    service, method = (first_of((field,), attributes) for field in RPC)
    return f"{service}/{method}" if service and method else method


def templated(address: str) -> str:
    """An address or a path without query, fragment, user and password, `{id}` for each id, and cut where it is long."""
    address = address.partition("?")[0].partition("#")[0]
    server = _SERVER.match(address)
    path = address[server.end() :] if server else address
    segments = [segment for segment in path.split("/") if segment][:MAX_SEGMENTS]
    kept = "/".join(["{id}" if _ID.fullmatch(segment) else segment for segment in segments])
    slash = "/" if path.startswith("/") else ""
    return (server[1] + server[2].rpartition("@")[2] if server else "") + slash + kept
