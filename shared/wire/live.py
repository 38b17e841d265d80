"""The live windows in Redis: one key for each partition and open window, always whole, never counted up.

The value is 8 bytes big-endian `next_offset`, then zstd of a batch of windows (`shared.wire.rollups`). The law: of
two values of a key the one with the larger offset is right, so a late writer cannot undo a newer one.
"""

import cramjam

from shared.errors import Rejected
from shared.wire import rollups
from shared.wire.rollups import WindowBatch

TTL_S = 120
"""How long a key outlives its last change."""

_OFFSET_BYTES = 8
_LEVEL = 1


def key(prefix: str, partition: int, start_ms: int) -> str:
    """The key of one window of one partition."""
    return f"{prefix}live:{partition}:{start_ms}"


def encode(packed: bytes, next_offset: int) -> bytes:
    """The value for windows that `rollups.encode` packed."""
    return next_offset.to_bytes(_OFFSET_BYTES, "big") + bytes(cramjam.zstd.compress(packed, level=_LEVEL))


def decode(value: bytes) -> WindowBatch:
    """The windows of a value; raise `Rejected` for other bytes."""
    try:
        return rollups.decode(bytes(cramjam.zstd.decompress(value[_OFFSET_BYTES:])))
    except cramjam.DecompressionError as error:
        raise Rejected("bad_windows", str(error)) from error
