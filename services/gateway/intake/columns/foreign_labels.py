"""Labels that other systems wrote, to labels of ours: names that mean something here are renamed, empty ones left out.

Invariant: the same labels in any order give the same bytes.
"""

from collections.abc import Iterable

import msgspec

from shared.errors import Rejected
from shared.model.labels import RESERVED

EXPORTED = "exported_"
"""What stands before a label whose name is taken, as Prometheus writes it."""

_pack = msgspec.msgpack.Encoder(order="sorted").encode
_unpack = msgspec.msgpack.Decoder(dict[str, str]).decode


def own_labels(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The labels under names that a series may have; raise `Rejected` for a name that comes twice."""
    labels: dict[str, str] = {}
    taken: list[tuple[str, str]] = []
    for name, value in pairs:
        if name in RESERVED:
            taken.append((name, value))
        elif name in labels:
            raise Rejected("invalid_labels", f"labels: name {name[:64]!a} is given twice")
        elif value:
            labels[name] = value
    for name, value in taken:
        free = EXPORTED + name
        while free in labels:
            free = EXPORTED + free
        if value:
            labels[free] = value
    return labels


def packed(labels: dict[str, str]) -> bytes:
    """The labels as bytes: MessagePack, whose maps begin as no JSON does."""
    return _pack(labels)


def unpacked(spelling: bytes) -> dict[str, str]:
    """The labels that were packed."""
    return _unpack(spelling)


def text_of(what: str, raw: bytes) -> str:
    """A text from its bytes; raise `Rejected` where they are no UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Rejected("invalid_labels", f"{what}: must be UTF-8") from error
