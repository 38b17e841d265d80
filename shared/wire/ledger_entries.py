"""The ledger entries of a message: what its producer let in and refused, as `[tenant_id, outcome, count]` lines.

It travels with the data, so that both sides of the ledger are written in one transaction, or neither. Invariant: what
decodes can be stored; a message without them is on neither side.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from shared.ledger.entries import Line

MAX_COUNT = 1 << 53
"""Largest count of a line; a negative count takes back what another line counted too much."""

FIELD = "ledger"
"""Name of the field that holds them."""

VERSION_4 = "tally"
"""What the field was called in version 4."""

MAX_PRODUCER = 200
"""Length of the name of a producer that is kept with a dead letter."""

LedgerEntries: TypeAlias = list[
    tuple[
        Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)],
        Annotated[str, msgspec.Meta(pattern=r"\A[a-z_]{1,40}(:[A-Za-z0-9_]{1,80})?\Z")],
        Annotated[int, msgspec.Meta(ge=-MAX_COUNT, le=MAX_COUNT)],
    ]
]
"""Lines as they are sent."""


class _Message(msgspec.Struct):
    ledger: LedgerEntries = msgspec.field(default_factory=list)
    version_4: LedgerEntries = msgspec.field(default_factory=list, name=VERSION_4)


_packed = msgspec.msgpack.Decoder(_Message)
_text = msgspec.json.Decoder(_Message)


class _Sent(msgspec.Struct):
    producer: str = ""


_sent_packed = msgspec.msgpack.Decoder(_Sent)
_sent_text = msgspec.json.Decoder(_Sent)


def producer_of(value: bytes | None) -> str:
    """Who sent a message, sound or not, in at most `MAX_PRODUCER` printable characters; empty if it cannot be read."""
    decoder = _sent_text if value and value.startswith(b"{") else _sent_packed
    try:
        producer = decoder.decode(value or b"").producer[:MAX_PRODUCER]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return producer if producer.isprintable() else ""


def read(entries: LedgerEntries | None) -> list[Line] | None:
    """The lines of entries that were decoded."""
    return None if entries is None else [Line(*line) for line in entries]


def salvaged(value: bytes | None) -> Sequence[Line]:
    """The readable ledger entries of a message that is refused; empty if there are none."""
    # A JSON object begins with a brace, a MessagePack map never does.
    decoder = _text if value and value.startswith(b"{") else _packed
    try:
        message = decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [Line(*line) for line in message.ledger or message.version_4]
