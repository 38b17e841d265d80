"""The batch of events on `telemetry.events.v1`, written by gateways and read by ingest.

A JSON object, so that anybody can read the topic. Times are milliseconds UTC. The law: what decodes is sound, so a fold
and the tables need no checks; all else is `Rejected`.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
import orjson
import xxhash

from shared.errors import Rejected
from shared.model.event import FUNNEL_STEP, MAX_ID, MAX_NAME, MAX_PROPERTIES_BYTES, MAX_TYPE, check_depth
from shared.model.funnel import funnel_of
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS
from shared.wire.envelope import MAX_ROWS, ROUNDING_MS, check_clock
from shared.wire.ledger_entries import LedgerEntries

VERSION = 1
"""Version this code writes and the only one it reads."""

TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]*\Z"
"""What a text may be: no character of control, direction or half a pair."""

TYPE = r"\A[A-Za-z_][A-Za-z0-9_.:/-]*\Z"
"""What a type may be."""

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID, pattern=TEXT)]
"""Id of an event, a session or a user."""

Type: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TYPE, pattern=TYPE)]
"""Type of an event."""

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME, pattern=TEXT)]
"""Name of an event."""

MAX_EVENTS = MAX_ROWS // 2
"""Events of one batch: the points derived from them, at most two each, fit into one message."""

NO_PROPERTIES = msgspec.Raw(b"{}")
"""An empty body."""


class Event(msgspec.Struct, gc=False, omit_defaults=True):
    """One event as it travels."""

    tenant_id: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    event_id: Id
    type: Type
    ts_ms: int
    name: Name = ""
    session_id: Id | None = None
    user_id: Id | None = None
    properties: msgspec.Raw = NO_PROPERTIES
    """A JSON object."""


class EventBatch(msgspec.Struct, gc=False, omit_defaults=True):
    """Events of many requests that a gateway sent to one partition."""

    v: int
    received_at_ms: int
    """Latest receive time of its events."""
    events: Annotated[list[Event], msgspec.Meta(max_length=MAX_EVENTS)]
    entries: LedgerEntries | None = msgspec.field(default=None, name="tally")
    """What its gateway let in and refused, for the ledger; None: it does not say."""


encode = msgspec.json.Encoder().encode
"""The bytes of a batch; the caller vouches for its events."""

_decoder = msgspec.json.Decoder(EventBatch)


def decode(value: bytes | None, appended_at_ms: int) -> EventBatch:
    """The batch of a record appended at `appended_at_ms`; raise `Rejected` saying which field is wrong."""
    try:
        batch = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("bad_events", str(error)) from error
    if batch.v != VERSION:
        raise Rejected("unsupported_version", f"v: {batch.v} is not {VERSION}; run a newer ingest")
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
    # Written anew, for what a database takes as a number is less than what JSON calls one.
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


def partition_of(event: Event, partitions: int) -> int:
    """The partition that owns an event: that of its session, else its user, else its own."""
    owner = event.session_id or event.user_id or event.event_id
    return xxhash.xxh3_64_intdigest(f"{event.tenant_id}\0{owner}".encode()) % partitions
