"""A record of an envelope and who sent it: what the maps of all items read.

Milliseconds UTC by the gateway's clock.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.gateway.intake.columns.client_clock import ClientClock
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.columns.rows import ContentIds
from services.gateway.intake.protocols.vocabulary import EventContext
from shared.model.event import MAX_ID

SECOND_MS = 1000


class Sender:
    """What the request and the header of the envelope say for all of its records."""

    def __init__(self, header: Mapping[str, Any], request: Request) -> None:
        self.clock = ClientClock(header.get("sent_at"), request.received_at_ms, SECOND_MS)
        self.received_at_ms = request.received_at_ms
        self.ids = ContentIds(request.tenant_id)
        self.event_id = text(header.get("event_id"))
        self.trace = part(header, "trace")
        self.sdk = sdk_of(part(header, "sdk"))
        headers = dict(request.headers)
        self.prerender = b"prerender" in headers.get(b"sec-purpose", b"")
        """The page was loaded before anybody saw it."""
        own = headers.get(b"sec-fetch-site") == b"same-origin"
        self.page = headers.get(b"referer", b"").decode("latin-1") if own else ""
        """The page that posts; a browser tells another origin no more than its own origin."""


class Record(NamedTuple):
    """One error, session, line, span, metric or report."""

    fields: Mapping[str, Any]
    raw: bytes
    """Its text."""
    around: Mapping[str, Any]
    """The object that its list stands in."""
    sender: Sender

    def ts(self, *names: str) -> int | None:
        """The first of these times that is said."""
        said = next((self.fields[name] for name in names if self.fields.get(name) is not None), None)
        return self.sender.clock.read(said)

    def context(self, user: object = None, session: object = None, **properties: object) -> EventContext:
        """Where it happened."""
        trace = self.sender.trace
        said = {name: text(value) for name, value in properties.items()}
        said["release"] = said.get("release") or text(trace.get("release"))
        said["environment"] = said.get("environment") or text(trace.get("environment"))
        said["sdk"] = said.get("sdk") or self.sender.sdk
        return EventContext(text(session), text(user), said)


def part(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object at the end of these names, empty where there is none."""
    found: Any = fields
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def parts(fields: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]]:
    """The objects of the list at the end of these names."""
    found = part(fields, *names[:-1]).get(names[-1])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(value: object, size: int = MAX_ID) -> str:
    """A text or a whole number as text, cut; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)[:size]


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes without the types that stand beside their values."""
    return {
        name: value["value"] if isinstance(value, dict) and "value" in value else value
        for name, value in attributes.items()
    }


def sdk_of(sdk: Mapping[str, Any]) -> str:
    """Name and version of an SDK."""
    return "/".join(filter(None, (text(sdk.get("name")), text(sdk.get("version")))))
