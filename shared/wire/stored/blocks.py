"""A block of grouped rows in Redis: two bytes, then a MessagePack array, packed with zstd where that pays.

The first byte is the number of the format, the second says whether the rest is packed. It is a copy that nobody
needs: a number that a build does not know is passed over, so there is one version at a time. Times are milliseconds
UTC. Invariant: decode after encode is the identity.
"""

from collections.abc import Mapping
from typing import NamedTuple

import cramjam
import msgspec

from shared.errors import Rejected, UnknownVersion
from shared.model.rollup import Rollups
from shared.wire import rollups
from shared.wire.rollups import WindowBatch
from shared.wire.versions import NEW, check

NUMBER = 1
"""Of this format, the version of the rows in it included."""

PACKED_BYTES = 1024
"""From this size on it is packed."""

_LEVEL = 1


class StoredBlock(NamedTuple):
    """Rows, and as of when."""

    log_ms: int
    """Where the log stood before they were read, or later."""
    as_of: Mapping[int, int]
    """By partition, the offset below which everything is in them."""
    tier_ms: int
    """Length of the windows."""
    series: list[bytes]
    """Groups as packed series, which `rollups.slot` points into."""
    rollups: Rollups


class _Wire(msgspec.Struct, array_like=True):
    log_ms: int
    as_of: dict[int, int]
    windows: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode


def encode(block: StoredBlock) -> bytes:
    """The value of a block."""
    windows = WindowBatch(0, True, 0, 0, block.series, block.rollups, block.tier_ms)
    said = _encode(_Wire(block.log_ms, dict(block.as_of), rollups.encode(windows, NEW)))
    if len(said) < PACKED_BYTES:
        return bytes([NUMBER, 0]) + said
    return bytes([NUMBER, 1]) + bytes(cramjam.zstd.compress(said, level=_LEVEL))


def decode(value: bytes) -> StoredBlock:
    """The block of a value; raise `UnknownVersion` for that of another build, `Rejected` for other bytes."""
    if len(value) < 2:
        raise Rejected("bad_block", "a block has more than a byte")
    check("cached block", value[0], (NUMBER,))
    try:
        said = bytes(cramjam.zstd.decompress(value[2:])) if value[1] else value[2:]
        wire = _decode(said)
        windows = rollups.decode(wire.windows)
    except (msgspec.DecodeError, cramjam.DecompressionError, UnknownVersion) as error:
        raise Rejected("bad_block", str(error)) from error
    return StoredBlock(wire.log_ms, wire.as_of, windows.resolution_ms, windows.series, windows.rollups)
