"""Tidegauge's own JSON bodies, `{"points": [{"name", "value", ...}]}` and `{"events": [{"event_id", "type", ...}]}`.

Points are decoded in three ways, each for what the one before could not take: four plain fields, all fields, one point
at a time. Events are decoded all at once or one by one. Times are milliseconds UTC. Invariant: all ways take the same
items.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.event_fields import EventFields, event_misfit
from services.gateway.intake.columns.json import BROKEN, eased, is_plain, malformed, mended
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.native.body import (
    EventsBody,
    KeyField,
    PlainBody,
    PointFields,
    PointsBody,
    RawEvents,
    RawPoints,
    point_misfit,
)
from services.gateway.intake.protocols.native.map import event_columns, plain_columns, point_columns
from services.gateway.intake.protocols.native.sent_at import error_ms, put_right
from shared.errors import Rejected
from shared.model.batch_id import checked_key
from shared.wire.events import NO_PROPERTIES

T = TypeVar("T")

KEY_FIELD = "batch_id"
"""The field of a body of points that may stand in for the header `Idempotency-Key`."""

TIMES = ("ts", "start_ts")
"""Fields that hold a time."""

IDS = ("event_id", "session_id", "user_id")
"""Fields that hold an id; a client may have numbers for them."""

NULL = b"null"

USUAL_BYTES, USUAL_OBJECTS = 256, 4
"""Where items have more bytes on average, and more objects in them, they are counted first."""

_plain = msgspec.json.Decoder(PlainBody)
_points = msgspec.json.Decoder(PointsBody)
_raw_points = msgspec.json.Decoder(RawPoints)
_point = msgspec.json.Decoder(PointFields)
_key = msgspec.json.Decoder(KeyField)
_events = msgspec.json.Decoder(EventsBody)
_raw_events = msgspec.json.Decoder(RawEvents)
_event = msgspec.json.Decoder(EventFields)
_RAW: dict[str, msgspec.json.Decoder[Any]] = {"points": _raw_points, "events": _raw_events}


class NativePoints:
    """Decodes `POST /v1/telemetry`."""

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points

    def decode(self, request: Request) -> RequestColumns:
        """The columns of a body of points."""
        decoded = self._decoded(request.body, request.received_at_ms)
        decoded.batch_key = _key_of(request.body)
        error = error_ms(request.body, request.received_at_ms)
        if error and decoded.points is not None:
            put_right(decoded.points, error, request.received_at_ms)
        return decoded

    def _decoded(self, body: bytes, received_at_ms: int) -> RequestColumns:
        _count(body, "points", self._max_points)
        try:
            rows = _plain.decode(body).points
            check_size("points", len(rows), self._max_points)
            return RequestColumns(plain_columns(rows))
        except (msgspec.ValidationError, OverflowError):
            return self._decode_any(body, received_at_ms)
        except BROKEN:
            return self._one_by_one(body, received_at_ms)

    def _decode_any(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            rows = _points.decode(body).points
        except BROKEN:
            return self._one_by_one(body, received_at_ms)
        check_size("points", len(rows), self._max_points)
        return RequestColumns(point_columns(rows, received_at_ms))

    def _one_by_one(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            raws = _raw_points.decode(mended(body)).points
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "points: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        check_size("points", len(raws), self._max_points)
        rows, index, refused = _read(raws, _point_of, point_misfit)
        columns = point_columns(rows, received_at_ms)
        columns.index = index
        return RequestColumns(columns, refused=refused)


class NativeEvents:
    """Decodes `POST /v1/events`."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of a body of events."""
        decoded = self._decoded(request)
        error = error_ms(request.body, request.received_at_ms)
        if error and decoded.events is not None:
            put_right(decoded.events, error, request.received_at_ms)
        return decoded

    def _decoded(self, request: Request) -> RequestColumns:
        _count(request.body, "events", self._max_events)
        try:
            rows = _events.decode(request.body).events
        except BROKEN:
            return self._one_by_one(mended(request.body), request.received_at_ms)
        check_size("events", len(rows), self._max_events)
        columns = event_columns(rows, request.received_at_ms)
        columns.printable = is_plain(request.body)
        if len(NULL) in map(len, columns.properties):
            columns.properties = _without_null(columns.properties)
        return RequestColumns(events=columns)

    def _one_by_one(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            raws = _raw_events.decode(body).events
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "events: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        check_size("events", len(raws), self._max_events)
        rows, index, refused = _read(raws, _event_of, event_misfit)
        columns = event_columns(rows, received_at_ms)
        columns.properties = _without_null(columns.properties)
        columns.index = index
        return RequestColumns(events=columns, refused=refused)


def _count(body: bytes, signal: str, limit: int) -> None:
    """Raise `Rejected` for a large body of more items than the limit, before any of them is decoded."""
    if len(body) > USUAL_BYTES * limit and body.count(b"{") > USUAL_OBJECTS * limit:
        with suppress(*BROKEN):
            check_size(signal, len(getattr(_RAW[signal].decode(body), signal)), limit)


def _without_null(properties: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
    return [NO_PROPERTIES if bytes(each) == NULL else each for each in properties]


def _read(
    raws: Sequence[msgspec.Raw], row_of: Callable[[msgspec.Raw], T], misfit: Callable[[int, str], Rejection]
) -> tuple[list[T], list[int], list[Rejection]]:
    """The items that can be read with their places, and the others refused."""
    rows: list[T] = []
    index: list[int] = []
    refused: list[Rejection] = []
    for at, raw in enumerate(raws):
        try:
            rows.append(row_of(raw))
            index.append(at)
        except BROKEN as error:
            refused.append(misfit(at, str(error)))
    return rows, index, refused


def _point_of(raw: msgspec.Raw) -> PointFields:
    try:
        return _point.decode(raw)
    except msgspec.ValidationError:
        return _point.decode(eased(raw, TIMES))


def _event_of(raw: msgspec.Raw) -> EventFields:
    try:
        return _event.decode(raw)
    except msgspec.ValidationError:
        return _event.decode(eased(raw, TIMES, IDS))


def _key_of(body: bytes) -> bytes:
    """The key that a body of points names, empty where it names none; raise `Rejected` for one that is no key."""
    if b'"batch_id"' not in body:
        return b""
    try:
        said = _key.decode(mended(body)).batch_id
    except BROKEN as error:
        raise Rejected("invalid_batch_id", f"{KEY_FIELD}: must be a string") from error
    return b"" if said is None else checked_key(KEY_FIELD, "invalid_batch_id", said.encode())
