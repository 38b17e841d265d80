"""Version 5: all formats bear the number 5, those that had none included; the ledger entries are called `ledger`.

Windows have the column `samples`, points the column `stream`; running totals say what tells streams apart.

Times are milliseconds UTC; columns are raw little-endian arrays.
"""

from typing import Annotated, Final

import msgspec

from shared.model.window import BASE_MS
from shared.wire.ledger_entries import LedgerEntries
from shared.wire.versions.records import MAX_EVENTS, Event, Part

VERSION: Final = 5
"""What `write_version` says to write it."""


class Points(msgspec.Struct, tag_field="v", tag=5, gc=False, omit_defaults=True):
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
    stream: bytes = b""
    entries: LedgerEntries | None = msgspec.field(default=None, name="ledger")


class Events(msgspec.Struct, tag_field="v", tag=5, gc=False, omit_defaults=True):
    """A batch of events: a JSON object."""

    received_at_ms: int
    events: Annotated[list[Event], msgspec.Meta(max_length=MAX_EVENTS)]
    entries: LedgerEntries | None = msgspec.field(default=None, name="ledger")
    producer: str = ""


class Windows(msgspec.Struct, tag_field="v", tag=5, gc=False, omit_defaults=True):
    """A batch of windows: a MessagePack map."""

    partition: int
    final: bool
    next_offset: int
    watermark_ms: int
    series: list[bytes]
    columns: dict[str, bytes]
    resolution_ms: int = BASE_MS


class DeadLetter(msgspec.Struct, tag_field="v", tag=5, gc=False):
    """A dead letter: a MessagePack map."""

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    value: bytes | None


class Snapshot(msgspec.Struct, tag_field="v", tag=5):
    """What a checkpoint leaves open: a MessagePack map."""

    open: bytes = b""
    amended: list[bytes] = []
    totals: bytes = b""


class RunningTotals(msgspec.Struct, tag_field="v", tag=5):
    """Running totals: a MessagePack map."""

    floor_ms: int = 0
    series: list[bytes] = []
    columns: dict[str, bytes] = {}
    continued: bool = False
    identified_ms: int | None = None
