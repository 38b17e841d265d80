"""The tally of a message: what its producer let in and refused, for the ledger, as `[tenant_id, outcome, count]` lines.

It travels with the data, so that both sides of the ledger are written in one transaction, or neither. The law: what
decodes can be stored; a message without a tally, as older versions wrote them, is on neither side.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from shared.model.ledger import Line

MAX_COUNT = 1 << 53
"""No line counts more than this; less than nothing takes back what another line says too much."""

Tally: TypeAlias = list[
    tuple[
        Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)],
        Annotated[str, msgspec.Meta(pattern=r"\A[a-z_]{1,40}(:[A-Za-z0-9_]{1,80})?\Z")],
        Annotated[int, msgspec.Meta(ge=-MAX_COUNT, le=MAX_COUNT)],
    ]
]
"""Lines as they travel."""


class _Told(msgspec.Struct):
    tally: Tally = []


_packed = msgspec.msgpack.Decoder(_Told)
_text = msgspec.json.Decoder(_Told)


def read(tally: Tally | None) -> list[Line] | None:
    """The lines of a tally that was decoded."""
    return None if tally is None else [Line(*line) for line in tally]


def salvaged(value: bytes | None) -> Sequence[Line]:
    """What can be read of the tally of a message that is refused; nothing if it has none."""
    # A JSON object begins with a brace, a MessagePack map never does.
    decoder = _text if value and value.startswith(b"{") else _packed
    try:
        return [Line(*line) for line in decoder.decode(value or b"").tally]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
