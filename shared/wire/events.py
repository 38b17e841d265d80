"""The batch of events on `telemetry.events.v1`, written by gateways and read by ingest.

A JSON object, so that anybody can read the topic. Times are milliseconds UTC. Invariant: what decodes is sound, so a
fold and the tables need no checks; the body of an event is the text that its client sent, every digit of it; an event
that lies too far from the append time is left out, and counted.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import orjson
import xxhash

from shared.errors import Rejected
from shared.ledger.entries import REJECTED, Line, coded
from shared.model.event import FUNNEL_STEP, MAX_PROPERTIES_BYTES, check_depth, may_be_deep
from shared.model.funnel import funnel_of
from shared.model.window import MAX_EVENT_AGE_MS, MAX_LEAD_MS
from shared.wire.envelope import TS_IN_FUTURE, TS_TOO_OLD
from shared.wire.ledger_entries import LedgerEntries
from shared.wire.versions import OLD, Reader, frames, v4
from shared.wire.versions.records import MAX_EVENTS, NO_PROPERTIES, TEXT, Event

__all__ = [
    "MAX_EVENTS",
    "NO_PROPERTIES",
    "TEXT",
    "Event",
    "EventBatch",
    "check_step",
    "decode",
    "encode",
    "partition_of",
    "properties_of",
]


@dataclass(slots=True)
class EventBatch:
    """Events of many requests that a gateway sent to one partition."""

    received_at_ms: int
    """Latest receive time of its events, by the clock of its gateway: nothing is decided by it."""
    events: list[Event]
    entries: LedgerEntries | None = None
    """What its gateway let in and refused, for the ledger; None: it does not say."""
    refused: Sequence[Line] = ()
    """How many events were left out, because they lie too far from the append time or cannot be stored; not sent."""
    producer: str = ""
    """Boot id of a gateway's Kafka producer; empty: version 4 does not say it."""


MAX_SCALE = 1_100
"""Most decimal places of a number that is stored as it came: those of the exact value of every float fit."""

_UNUSUAL = re.compile(rb"[eE][+-]?0*[1-9]\d\d|\d{700}")
"""What stands in every body with more decimal places, or an exponent that Postgres might not read."""

_MAX_EXPONENT_DIGITS = 3

_FRAMES = frames("Events")
_encoder = msgspec.json.Encoder()
_read = Reader("events", _FRAMES.values(), msgspec.json.Decoder)


class _Owner(msgspec.Struct):
    tenant_id: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raw_events = msgspec.json.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_EVENTS)])
_event, _owner = msgspec.json.Decoder(Event), msgspec.json.Decoder(_Owner)


def encode(batch: EventBatch, version: int = OLD) -> bytes:
    """The bytes of a batch; the caller vouches for its events.

    Version 4 has fewer characters for types: see `v4.readable`.
    """
    sent = v4.readable(batch.events) if version == OLD else batch.events
    frame = _FRAMES[version](batch.received_at_ms, sent, batch.entries)
    if version != OLD:
        frame.producer = batch.producer
    return _encoder.encode(frame)


def decode(value: bytes | None, appended_at_ms: int) -> EventBatch:
    """The batch of a record appended at `appended_at_ms`; raise `Rejected` saying which field is wrong.

    Raises `UnknownVersion` for one that another build has to read.
    """
    try:
        wire, malformed = _well_formed(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("bad_events", str(error)) from error
    timely, untimely = _by_age(wire.events, appended_at_ms)
    sound, refused = _sound(timely)
    producer = getattr(wire, "producer", "")
    return EventBatch(wire.received_at_ms, sound, wire.entries, [*malformed, *untimely, *refused], producer)


def _well_formed(value: bytes) -> tuple[Any, Sequence[Line]]:
    """The frame without the events that have not the form of one, and how many these are, by tenant.

    Raises what msgspec raises when the fault is elsewhere, or when an event does not name its tenant.
    """
    try:
        return _read(value), ()
    except msgspec.ValidationError:
        fields = _fields.decode(value)
        good, bad = [], Counter[int]()
        for raw in _raw_events.decode(fields.get("events", b"null")):
            try:
                _event.decode(raw)
                good.append(raw)
            except msgspec.ValidationError:
                bad[_owner.decode(raw).tenant_id] += 1
        if not bad:
            raise
    wire = _read(msgspec.json.encode(fields | {"events": good}))
    outcome = coded(REJECTED, "bad_events")
    return wire, [Line(tenant_id, outcome, number) for tenant_id, number in bad.items()]


def _sound(events: list[Event]) -> tuple[list[Event], Sequence[Line]]:
    """The events that can be stored, and how many cannot, by tenant and code."""
    found: Counter[tuple[int, str]] = Counter()
    sound = []
    for event in events:
        try:
            _check(event)
            sound.append(event)
        except Rejected as refused:
            found[event.tenant_id, coded(REJECTED, refused.code)] += 1
    return sound, [Line(tenant_id, outcome, number) for (tenant_id, outcome), number in found.items()]


def _by_age(events: list[Event], appended_at_ms: int) -> tuple[list[Event], Sequence[Line]]:
    """The events that are near enough to the append time, and how many are not."""
    latest_ms, oldest_ms = appended_at_ms + MAX_LEAD_MS, appended_at_ms - MAX_EVENT_AGE_MS
    timely = [event for event in events if oldest_ms <= event.ts_ms <= latest_ms]
    if len(timely) == len(events):
        return events, ()
    found = Counter(
        (event.tenant_id, coded(REJECTED, TS_IN_FUTURE if event.ts_ms > latest_ms else TS_TOO_OLD))
        for event in events
        if not oldest_ms <= event.ts_ms <= latest_ms
    )
    return timely, [Line(tenant_id, outcome, number) for (tenant_id, outcome), number in found.items()]


def _check(event: Event) -> None:
    properties = properties_of(event.properties)
    if event.type == FUNNEL_STEP:
        check_step(event, properties)
    if not _numbers_fit(bytes(event.properties)):
        event.properties = msgspec.Raw(orjson.dumps(properties))


def _numbers_fit(text: bytes) -> bool:
    """Whether Postgres stores every number of a body as it is; a body where it would not is stored as floats."""
    if not _UNUSUAL.search(text):
        return True
    numbers: list[str] = []
    json.loads(text, parse_float=numbers.append)
    return all(map(_fits, numbers))


def _fits(number: str) -> bool:
    mantissa, _, exponent = number.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    if len(digits) > _MAX_EXPONENT_DIGITS:
        return False
    places = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return places <= MAX_SCALE


def check_step(event: Any, properties: dict[str, Any]) -> None:
    """Raise `Rejected` unless the event names a session and a step of a known funnel."""
    if event.session_id is None:
        raise Rejected("missing_session", "session_id: a funnel step needs the session that took it")
    funnel_of(properties.get("funnel")).step(event.name)


def properties_of(raw: msgspec.Raw) -> dict[str, Any]:
    """The body of an event; raise `Rejected` with code `invalid_properties` for one that cannot be stored."""
    text = memoryview(raw)
    if len(text) > MAX_PROPERTIES_BYTES:
        raise Rejected("invalid_properties", f"properties: larger than {MAX_PROPERTIES_BYTES} bytes")
    try:
        properties = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected("invalid_properties", f"properties: {error.msg}") from error
    if not isinstance(properties, dict):
        raise Rejected("invalid_properties", "properties: must be an object")
    packed = bytes(raw)
    if may_be_deep(packed):
        check_depth(properties)
    if b"\\u0000" in packed and b"\\u0000" in orjson.dumps(properties).replace(b"\\\\", b""):
        raise Rejected("invalid_properties", "properties: a text holds the character U+0000")
    return properties


def partition_of(event: Event, partitions: int) -> int:
    """The partition of an event: by its session, else by its user, else by its id."""
    owner = event.session_id or event.user_id or event.event_id
    return xxhash.xxh3_64_intdigest(f"{event.tenant_id}\0{owner}".encode()) % partitions
