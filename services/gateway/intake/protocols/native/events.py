"""Tidegauge's own JSON body of events, `{"events": [{"event_id", "type", "ts", ...}]}`, to what the wire carries.

All events of a body are looked at in one go; only where that finds something odd, each is looked at by itself.
Milliseconds UTC. The law: both ways admit the same events, and what is admitted can be decoded and stored downstream.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import orjson

from services.gateway.intake.columns.json import BROKEN, Instant, malformed, mended, time_of
from services.gateway.intake.domain.admission import Rejection, untimely
from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, MAX_ID, MAX_NAME, MAX_PROPERTIES_BYTES, MAX_TYPE, check_depth
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.events import NO_PROPERTIES, TEXT, TYPE, Event, check_step, properties_of

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]


class Said(msgspec.Struct, gc=False):
    """An event as a client says it; its texts are not searched yet: a pattern in each type costs more than all else."""

    event_id: Short
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TYPE)]
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""
    ts: int | Instant | None = None
    session_id: Short | None = None
    user_id: Short | None = None
    properties: msgspec.Raw = NO_PROPERTIES


class Body(msgspec.Struct, gc=False):
    """A body of events."""

    events: list[Said]


class RawBody(msgspec.Struct, gc=False):
    """A body whose events are looked at one by one."""

    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of a request, and those that are not among them."""

    events: list[Event]
    """The admitted events in their order."""
    rejected: list[Rejection]
    """The others, by index."""


_body = msgspec.json.Decoder(Body)
_raw_body = msgspec.json.Decoder(RawBody)
_said = msgspec.json.Decoder(Said)
_type = re.compile(TYPE)
_text = re.compile(TEXT)
_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")
_MUST = {
    "event_id": f"must be given, 1 to {MAX_ID} characters, none of control",
    "type": f"must be given, 1 to {MAX_TYPE} letters, digits or any of '_.:/-', starting with a letter or '_'",
    "name": f"must be at most {MAX_NAME} characters, none of control",
    "ts": "must be integer milliseconds or RFC 3339 with a zone",
    "session_id": f"must be 1 to {MAX_ID} characters, none of control",
    "user_id": f"must be 1 to {MAX_ID} characters, none of control",
}


class Decoder:
    """Decodes bodies of events."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> Decoded:
        """The events of a body; raise `Rejected` when there is nothing to take one by one."""
        rows: Sequence[Said | Rejection]
        try:
            rows = said = _body.decode(body).events
        except BROKEN:
            rows, said = self._one_by_one(mended(body)), []
        self.check_size(len(rows))
        if said and _timely(said, received_at_ms) and (_simple(body) or _printable(said)) and _storable(said):
            return Decoded([_event(each, tenant_id, each.ts) for each in said], [])  # type: ignore[arg-type]
        decoded = Decoded([], [])
        for index, row in enumerate(rows):
            one = row if isinstance(row, Rejection) else _admitted(index, row, tenant_id, received_at_ms)
            if isinstance(one, Event):
                decoded.events.append(one)
            else:
                decoded.rejected.append(one)
        return decoded

    def check_size(self, events: int) -> None:
        """Raise `Rejected` for a request of no events, or of too many."""
        if events > self._max_events:
            raise Rejected("too_many_events", f"events: at most {self._max_events} a request")
        if not events:
            raise Rejected("no_events", "events: must not be empty")

    def _one_by_one(self, body: bytes) -> list[Said | Rejection]:
        try:
            raws = _raw_body.decode(body).events
        except msgspec.ValidationError as error:
            raise Rejected("invalid_body", "events: must be given, a list of objects") from error
        except BROKEN as error:
            raise malformed(error) from error
        self.check_size(len(raws))
        said: list[Said | Rejection] = []
        for index, raw in enumerate(raws):
            try:
                said.append(_said.decode(raw))
            except BROKEN as error:
                said.append(_misfit(index, str(error)))
        return said


def _timely(said: Sequence[Said], received_at_ms: int) -> bool:
    """Whether all types and times are as they may be, and no event is a step of a funnel."""
    types = {each.type for each in said}
    times = [each.ts for each in said]
    return (
        FUNNEL_STEP not in types
        and all(map(_type.match, types))
        and set(map(type, times)) == {int}
        and received_at_ms - MAX_LATE_MS <= min(times)  # type: ignore[type-var,operator]
        and max(times) <= received_at_ms + MAX_AHEAD_MS  # type: ignore[type-var,operator]
    )


def _simple(body: bytes) -> bool:
    """Whether no text can hold more than printable ASCII, as JSON has all control characters but one escaped."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def _printable(said: Sequence[Said]) -> bool:
    """Whether all texts are; narrower than what is allowed, and ten times as fast as looking for what is not."""
    return "".join(map(_words, said)).isprintable()


def _words(said: Said) -> str:
    return f"{said.event_id}{said.name}{said.session_id}{said.user_id}"


def _storable(said: Sequence[Said]) -> bool:
    """Whether all bodies are objects without a character that no table holds, none of them too large or too deep."""
    bodies = [each.properties for each in said]
    joined = b",".join(bodies)
    if b"\\u0000" in joined or max(map(len, bodies)) > MAX_PROPERTIES_BYTES:
        return False
    try:
        read = orjson.loads(b"[%b]" % joined)
        if set(map(type, read)) != {dict}:
            return False
        if joined.count(b"{") + joined.count(b"[") > len(bodies):
            for body in read:
                check_depth(body)
    except (orjson.JSONDecodeError, Rejected):
        return False
    return True


def _event(said: Said, tenant_id: int, ts_ms: int) -> Event:
    return Event(
        tenant_id, said.event_id, said.type, ts_ms, said.name, said.session_id, said.user_id, said.properties
    )


def _admitted(index: int, said: Said, tenant_id: int, received_at_ms: int) -> Event | Rejection:
    field = _bad_text(said)
    if field:
        return _refusal(index, field)
    ts_ms = time_of(said.ts, received_at_ms)
    refusal = untimely(index, ts_ms, received_at_ms)
    if refusal is not None:
        return refusal
    event = _event(said, tenant_id, ts_ms)
    try:
        properties = properties_of(said.properties)
        if said.type == FUNNEL_STEP:
            check_step(event, properties)
    except Rejected as refused:
        return Rejection(index, refused.code, refused.message)
    return event


def _bad_text(said: Said) -> str:
    """The first field whose text may not be, empty when all may."""
    if not _type.match(said.type):
        return "type"
    if _words(said).isprintable():
        return ""
    texts = {name: getattr(said, name) for name in ("event_id", "name", "session_id", "user_id")}
    return next((name for name, text in texts.items() if text and not _text.match(text)), "")


def _misfit(index: int, problem: str) -> Rejection:
    """A refusal that names the field and not what was in it."""
    found = _FIELD.search(problem)
    return _refusal(index, next((name for name in found.groups() if name), "") if found else "")


def _refusal(index: int, field: str) -> Rejection:
    if field not in _MUST:
        return Rejection(index, "invalid_event", "event: must be an object with event_id and type, in UTF-8")
    return Rejection(index, f"invalid_{field}", f"{field}: {_MUST[field]}")
