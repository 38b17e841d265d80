"""Tidegauge's own JSON bodies, `{"points": [{"name", "value", ...}]}` and `{"events": [{"event_id", "type", ...}]}`.

Points are decoded in three ways, each for what the one before could not take: four plain fields, all fields, one point
at a time. Events are decoded all at once or one by one. Times are milliseconds UTC. Invariant: all ways take the same
items.
"""

import msgspec

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.event_fields import EventFields, event_misfit
from services.gateway.intake.columns.json import BROKEN, is_plain, malformed, mended
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
from shared.errors import Rejected
from shared.model.batch_id import checked_key

KEY_FIELD = "batch_id"
"""The field of a body of points that may stand in for the header `Idempotency-Key`."""

_plain = msgspec.json.Decoder(PlainBody)
_points = msgspec.json.Decoder(PointsBody)
_raw_points = msgspec.json.Decoder(RawPoints)
_point = msgspec.json.Decoder(PointFields)
_key = msgspec.json.Decoder(KeyField)
_events = msgspec.json.Decoder(EventsBody)
_raw_events = msgspec.json.Decoder(RawEvents)
_event = msgspec.json.Decoder(EventFields)


class NativePoints:
    """Decodes `POST /v1/telemetry`."""

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points

    def decode(self, request: Request) -> RequestColumns:
        """The columns of a body of points."""
        decoded = self._decoded(request.body, request.received_at_ms)
        decoded.batch_key = _key_of(request.body)
        return decoded

    def _decoded(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            rows = _plain.decode(body).points
            check_size("points", len(rows), self._max_points)
            return RequestColumns(plain_columns(rows))
        except (msgspec.ValidationError, OverflowError):
            return self._decode_any(body, received_at_ms)
        except BROKEN as error:
            raise malformed(error) from error

    def _decode_any(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            rows = _points.decode(body).points
        except msgspec.ValidationError:
            return self._one_by_one(body, received_at_ms)
        except BROKEN as error:
            raise malformed(error) from error
        check_size("points", len(rows), self._max_points)
        return RequestColumns(point_columns(rows, received_at_ms))

    def _one_by_one(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            raws = _raw_points.decode(body).points
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "points: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        check_size("points", len(raws), self._max_points)
        rows: list[PointFields] = []
        index: list[int] = []
        refused: list[Rejection] = []
        for at, raw in enumerate(raws):
            try:
                rows.append(_point.decode(raw))
                index.append(at)
            except msgspec.ValidationError as error:
                refused.append(point_misfit(at, str(error)))
            except BROKEN as error:
                raise malformed(error) from error
        columns = point_columns(rows, received_at_ms)
        columns.index = index
        return RequestColumns(columns, refused=refused)


class NativeEvents:
    """Decodes `POST /v1/events`."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of a body of events."""
        try:
            rows = _events.decode(request.body).events
        except BROKEN:
            return self._one_by_one(mended(request.body), request.received_at_ms)
        check_size("events", len(rows), self._max_events)
        columns = event_columns(rows, request.received_at_ms)
        columns.printable = is_plain(request.body)
        return RequestColumns(events=columns)

    def _one_by_one(self, body: bytes, received_at_ms: int) -> RequestColumns:
        try:
            raws = _raw_events.decode(body).events
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "events: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        check_size("events", len(raws), self._max_events)
        rows: list[EventFields] = []
        index: list[int] = []
        refused: list[Rejection] = []
        for at, raw in enumerate(raws):
            try:
                rows.append(_event.decode(raw))
                index.append(at)
            except BROKEN as error:
                refused.append(event_misfit(at, str(error)))
        columns = event_columns(rows, received_at_ms)
        columns.index = index
        return RequestColumns(events=columns, refused=refused)


def _key_of(body: bytes) -> bytes:
    """The key that a body of points names, empty where it names none; raise `Rejected` for one that is no key."""
    if b'"batch_id"' not in body:
        return b""
    try:
        said = _key.decode(body).batch_id
    except msgspec.ValidationError as error:
        raise Rejected("invalid_batch_id", f"{KEY_FIELD}: must be a string") from error
    return b"" if said is None else checked_key(KEY_FIELD, "invalid_batch_id", said.encode())
