"""The bodies of PostHog's clients: a batch, a list of events, or one event.

Milliseconds UTC. Invariant: each event is taken, or refused by itself under its own index; one that is not kept is
refused as `not_kept`.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import orjson

from services.gateway.intake.columns.client_clock import ClientClock
from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import BROKEN, malformed, mended
from services.gateway.intake.columns.rows import ContentIds, Mapped, Row, columns_of, mapped, within
from services.gateway.intake.protocols.posthog.body import keys_of
from services.gateway.intake.protocols.posthog.map import Captured, Sender, rows_of
from shared.errors import Rejected

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_instant = msgspec.json.Decoder(str | int | float | None).decode

_SENT_AT = re.compile("[0-9]{13}")


class Capture:
    """Decodes what is posted to `/i/v0/e/`, `/e/`, `/batch/` and `/capture/`."""

    def __init__(self, max_points: int, max_events: int) -> None:
        self._max_points = max_points
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the events that are kept."""
        batch = _batch(mended(request.body), request.query)
        check_size("events", len(batch.events), self._max_events)
        clock = ClientClock(batch.sent_at, request.received_at_ms, 1)
        ids = ContentIds(request.tenant_id)
        sender = Sender(clock, ids, request.received_at_ms, keys_of(request.body))
        rows: Mapped[Row] = mapped(batch.events, lambda raw: _rows(bytes(raw), sender))
        found = within(columns_of(rows, request.received_at_ms), self._max_points, self._max_events)
        found.content = b",".join(batch.events)
        return found


class _Batch(NamedTuple):
    """The events of a body, and when it was sent."""

    events: list[msgspec.Raw]
    sent_at: object


def _batch(body: bytes, query: bytes) -> _Batch:
    """What is in a body; raise `Rejected`. Older clients say in the query when they sent it."""
    asked = dict(parse_qsl(query.decode("latin-1")))
    sent_at: object = int(asked["_"]) if _SENT_AT.fullmatch(asked.get("_", "")) else None
    try:
        outer = _outer(body)
        if isinstance(outer, list):
            return _Batch(outer, sent_at)
        if "sent_at" in outer:
            sent_at = _time(outer["sent_at"])
        events = _list(outer["batch"]) if "batch" in outer else [msgspec.Raw(body)]
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", "batch: must be a list of events, or one event") from error
    except BROKEN as error:
        raise malformed(error) from error
    return _Batch(events, sent_at)


def _time(raw: msgspec.Raw) -> object:
    """A time; None for what is none."""
    try:
        return _instant(raw)
    except BROKEN:
        return None


def _rows(raw: bytes, sender: Sender) -> list[Row | Rejected]:
    """What an event becomes; raise `Rejected`."""
    return list(rows_of(Captured(_object(raw), raw, sender)))


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Rejected("invalid_event", "event: holds a number or a text that cannot be read") from error
    if not isinstance(event, dict) or not isinstance(event.get("properties", {}), (dict, type(None))):
        raise Rejected("invalid_event", "event: must be an object, and its properties too")
    return event
