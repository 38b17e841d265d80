"""Version 4: the formats of the first build. Each format has a number of its own, or none.

Delete this module when no build that writes version 4 is left, and what it wrote has been read or has expired.
"""

import re
from typing import Annotated, Final

import msgspec

from shared.model.window import BASE_MS
from shared.wire.ledger_entries import LedgerEntries
from shared.wire.versions.records import MAX_EVENTS, Event, Part

VERSION: Final = 4
"""What `write_version` says to write it."""

_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")
"""What the type of an event may be: a build of this version alone makes a dead letter of a message with another one."""

_NO_TYPE = re.compile(r"\A[^A-Za-z_]|[^A-Za-z0-9_.:/-]")


class Points(msgspec.Struct, tag_field="v", tag=2, gc=False, omit_defaults=True):
    """A batch of points: a MessagePack map."""

    producer: str
    seq: int
    received_at_ms: int
    series: list[bytes] = []
    batches: list[Part] = []
    slot: bytes = b""
    ts_ms: bytes = b""
    value: bytes = b""
    weight: bytes = b""
    start_ms: bytes = b""
    distinct: bytes = b""
    entries: LedgerEntries | None = msgspec.field(default=None, name="tally")


class Events(msgspec.Struct, tag_field="v", tag=1, gc=False, omit_defaults=True):
    """A batch of events: a JSON object."""

    received_at_ms: int
    events: Annotated[list[Event], msgspec.Meta(max_length=MAX_EVENTS)]
    entries: LedgerEntries | None = msgspec.field(default=None, name="tally")


class Windows(msgspec.Struct, tag_field="v", tag=2, gc=False, omit_defaults=True):
    """A batch of windows: a MessagePack map."""

    partition: int
    final: bool
    next_offset: int
    watermark_ms: int
    series: list[bytes]
    columns: dict[str, bytes]
    resolution_ms: int = BASE_MS


class DeadLetter(msgspec.Struct, gc=False):
    """A dead letter: a MessagePack map that ends with its number."""

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    value: bytes | None
    v: int = 1


class Snapshot(msgspec.Struct):
    """What a checkpoint leaves open: a MessagePack map."""

    v: int = 4
    open: bytes = b""
    amended: list[bytes] = []
    totals: bytes = b""


class RunningTotals(msgspec.Struct):
    """Running totals: a MessagePack map without a number."""

    floor_ms: int = 0
    series: list[bytes] = []
    columns: dict[str, bytes] = {}
    continued: bool = False


def readable(events: list[Event]) -> list[Event]:
    """The events with types that this version has; the type of an event that has no name becomes its name.

    A character that no type has here becomes `:`, the first one `_`, so that none becomes a type of our own.
    """
    if all(map(_TYPE.fullmatch, {event.type for event in events})):
        return events
    return [event if _TYPE.fullmatch(event.type) else _readable(event) for event in events]


def _readable(event: Event) -> Event:
    type_ = _NO_TYPE.sub(lambda found: ":" if found.start() else "_", event.type)
    return msgspec.structs.replace(event, type=type_, name=event.name or event.type)
