"""The bodies that Sentry's SDKs post: envelopes, and single events as older ones send them.

Milliseconds UTC. Invariant: each error, session, line of a log, span, metric and report is taken, or refused by itself
under its own index; an item of which nothing is kept is refused as `not_kept`.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.columns.json import BROKEN, mended, readable_of
from services.gateway.intake.columns.rows import NOT_KEPT, Mapped, Row, columns_of, mapped, within
from services.gateway.intake.protocols.sentry import map as events
from services.gateway.intake.protocols.sentry import spans
from services.gateway.intake.protocols.sentry.dsn import key_of_dsn, key_of_request
from services.gateway.intake.protocols.sentry.envelope import Item, envelope_of, object_of
from services.gateway.intake.protocols.sentry.record import Record, Sender
from shared.errors import Rejected

Maker = Callable[[Record], Iterable[Row | Rejected]]

SINGLE: dict[str, Maker] = {
    "event": events.error_rows, "session": events.session_rows, "transaction": spans.transaction_rows,
}  # fmt: skip
"""Items that are one record, by type."""

LISTS: dict[str, tuple[str, Maker]] = {
    "sessions": ("aggregates", events.session_counts), "client_report": ("discarded_events", events.discarded),
    "log": ("items", events.log_rows), "trace_metric": ("items", spans.metric_rows), "span": ("items", spans.span_rows),
}  # fmt: skip
"""Items that are a list of records, and the field that holds it."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Part(NamedTuple):
    """A record, and what makes rows of it."""

    maker: Maker
    fields: Mapping[str, Any]
    raw: bytes
    around: Mapping[str, Any] = {}
    """The object that its list stands in."""


class SentryEnvelopes:
    """Decodes `POST /api/{project}/envelope/` and what a tunnel passes on."""

    def __init__(self, max_points: int, max_events: int) -> None:
        self._limits = max_points, max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of an envelope."""
        envelope = envelope_of(request.body, max(self._limits) + 1)
        _check_key(request, envelope.header.get("dsn"))
        found = _columns(envelope.items, Sender(envelope.header, request), self._limits)
        # The header says when it was sent; what is kept while offline is sent again under another one.
        found.content = request.body[request.body.find(b"\n") + 1 :]
        return found


class SentryStore:
    """Decodes `POST /api/{project}/store/`: one event."""

    def decode(self, request: Request) -> RequestColumns:
        """The columns of an event."""
        return _columns([Item("event", request.body)], Sender({}, request), (1, 1))


def _check_key(request: Request, dsn: object) -> None:
    """Raise `Rejected` for an envelope of another project than the request's."""
    asked, said = key_of_request(request.headers, request.query), key_of_dsn(dsn)
    if asked and said and asked != said:
        raise Rejected("two_keys", "dsn: holds another key than the request")


def _parts(item: Item | Rejected, most: int) -> list[_Part | Rejected]:
    """The records of an item, as far as so many."""
    if isinstance(item, Rejected):
        return [item]
    try:
        if item.type in SINGLE:
            return [_Part(SINGLE[item.type], object_of(item.payload), item.payload)]
        if item.type in LISTS:
            return _listed(mended(item.payload), *LISTS[item.type], most)
    except Rejected as problem:
        return [problem]
    return [Rejected(NOT_KEPT, "type: items of this type are not kept")]


def _listed(payload: bytes, field: str, maker: Maker, most: int) -> list[_Part | Rejected]:
    """The records of a list, each read by itself; an item as it was before there were lists is one record."""
    try:
        members = _members(payload)
        listed = bytes(members.pop(field, b"")).strip()
        raws = _list(listed) if listed.startswith(b"[") else None
    except BROKEN as error:
        raise Rejected("invalid_item", "item: must be a JSON object in UTF-8") from error
    if raws is None:
        return [_Part(maker, object_of(payload), payload)]
    around = readable_of(msgspec.json.encode(members))
    return [_record(bytes(raw), around, maker) for raw in raws[:most]]


def _record(raw: bytes, around: Mapping[str, Any], maker: Maker) -> _Part | Rejected:
    """A record of a list; one that cannot be read harms no other."""
    try:
        return _Part(maker, object_of(raw), raw, around)
    except Rejected as problem:
        return problem


def _columns(items: list[Item | Rejected], sender: Sender, limits: tuple[int, int]) -> RequestColumns:
    """What has become of these items; raise `Rejected` for too many, before anything is made of them."""
    most, count = max(limits), 0
    parts: list[list[_Part | Rejected]] = []
    for item in items:
        parts.append(_parts(item, most + 1))
        count += len(parts[-1])
        if count > most:
            raise Rejected("too_many_events", f"items: at most {most} a request")
    taken = [rows for records in parts for rows in _taken(records, sender, most)]
    found: Mapped[Row] = mapped(taken, lambda rows: rows)
    return within(columns_of(found, sender.received_at_ms), *limits)


def _taken(records: list[_Part | Rejected], sender: Sender, most: int) -> list[list[Row | Rejected]]:
    """What each record of an item becomes; of an item of which nothing is kept the first says so."""
    taken = [_rows(record, sender, most) for record in records]
    if taken and not any(taken):
        taken[0] = [Rejected(NOT_KEPT, "item: holds neither an answer to a request nor a web vital")]
    return taken


def _rows(part: _Part | Rejected, sender: Sender, most: int) -> list[Row | Rejected]:
    """The rows of a record, as far as a request may have them, or why there is none."""
    if isinstance(part, Rejected):
        return [part]
    try:
        return list(islice(part.maker(Record(part.fields, part.raw, part.around, sender)), most + 1))
    except Rejected as problem:
        return [problem]
