"""The batch of events on `telemetry.events.v1`, written by gateways and read by ingest.

A JSON object, so that anybody can read the topic. Times are milliseconds UTC. Invariant: what decodes is sound, so a
fold and the tables need no checks.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import xxhash

from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, MAX_PROPERTIES_BYTES, check_depth
from shared.model.funnel import funnel_of
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.envelope import ROUNDING_MS, check_clock
from shared.wire.ledger_entries import LedgerEntries
from shared.wire.versions import OLD, Reader, frames
from shared.wire.versions.records import MAX_EVENTS, NO_PROPERTIES, TEXT, TYPE, Event

__all__ = [
    "MAX_EVENTS",
    "NO_PROPERTIES",
    "TEXT",
    "TYPE",
    "Event",
    "EventBatch",
    "check_step",
    "decode",
    "encode",
    "packed_properties",
    "partition_of",
    "properties_of",
]


@dataclass(slots=True)
class EventBatch:
    """Events of many requests that a gateway sent to one partition."""

    received_at_ms: int
    """Latest receive time of its events."""
    events: list[Event]
    entries: LedgerEntries | None = None
    """What its gateway let in and refused, for the ledger; None: it does not say."""


_FRAMES = frames("Events")
_encoder = msgspec.json.Encoder()
_read = Reader("events", _FRAMES.values(), msgspec.json.Decoder)


def encode(batch: EventBatch, version: int = OLD) -> bytes:
    """The bytes of a batch; the caller vouches for its events."""
    return _encoder.encode(_FRAMES[version](batch.received_at_ms, batch.events, batch.entries))


def decode(value: bytes | None, appended_at_ms: int) -> EventBatch:
    """The batch of a record appended at `appended_at_ms`; raise `Rejected` saying which field is wrong.

    Raises `UnknownVersion` for one that another build has to read.
    """
    try:
        wire = _read(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("bad_events", str(error)) from error
    batch = EventBatch(wire.received_at_ms, wire.events, wire.entries)
    check_clock(batch.received_at_ms, appended_at_ms)
    for event in batch.events:
        _check(event, batch.received_at_ms)
    return batch


def _check(event: Event, received_at_ms: int) -> None:
    age_ms = received_at_ms - event.ts_ms
    if not -MAX_AHEAD_MS - ROUNDING_MS <= age_ms <= MAX_LATE_MS + ROUNDING_MS:
        raise Rejected("bad_events", "ts_ms: too far from received_at_ms")
    properties = properties_of(event.properties)
    if event.type == FUNNEL_STEP:
        check_step(event, properties)
    # Encoded again, because Postgres accepts fewer numbers than JSON does.
    event.properties = msgspec.Raw(orjson.dumps(properties))


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
    if packed.count(b"{") + packed.count(b"[") > 1:
        check_depth(properties)
    if b"\\u0000" in packed and b"\\u0000" in orjson.dumps(properties).replace(b"\\\\", b""):
        raise Rejected("invalid_properties", "properties: a text holds the character U+0000")
    return properties


def packed_properties(properties: object) -> msgspec.Raw:
    """The body of an event that was no text; raise `Rejected` with code `invalid_properties` if it cannot be stored."""
    if not isinstance(properties, dict):
        raise Rejected("invalid_properties", "properties: must be an object")
    check_depth(properties)
    try:
        packed = orjson.dumps(properties)
    except orjson.JSONEncodeError as error:
        raise Rejected("invalid_properties", f"properties: {error}") from error
    if len(packed) > MAX_PROPERTIES_BYTES:
        raise Rejected("invalid_properties", f"properties: larger than {MAX_PROPERTIES_BYTES} bytes")
    if b"\\u0000" in packed.replace(b"\\\\", b""):
        raise Rejected("invalid_properties", "properties: a text holds the character U+0000")
    return msgspec.Raw(packed)


def partition_of(event: Event, partitions: int) -> int:
    """The partition of an event: by its session, else by its user, else by its id."""
    owner = event.session_id or event.user_id or event.event_id
    return xxhash.xxh3_64_intdigest(f"{event.tenant_id}\0{owner}".encode()) % partitions
