"""The live windows in Redis: a hash for each metric and open window, a field for each partition, never counted up.

The value is 8 bytes big-endian `next_offset`, the version in a byte, then zstd of a batch of windows
(`shared.wire.rollups`). Of two values of a field the one with the larger offset is right, so a late writer cannot undo
a newer one: whatever the version, a value begins with its offset. Version 4 has no byte for itself, and a key for each
partition and open window, with the rows of all metrics.
"""

import cramjam

from shared.errors import Rejected
from shared.wire import rollups
from shared.wire.rollups import WindowBatch
from shared.wire.versions import MODULES, OLD, check

TTL_S = 120
"""How many seconds a key outlives its last change."""

_OFFSET_BYTES = 8
_LEVEL = 1
_ZSTD = b"\x28\xb5\x2f\xfd"
"""What follows the offset in version 4; no version is number 40."""


def key_of_all(prefix: str, partition: int, start_ms: int) -> str:
    """The key of one window of one partition, as version 4 has it."""
    return f"{prefix}live:{partition}:{start_ms}"


def key(prefix: str, tenant_id: int, metric: str, start_ms: int) -> str:
    """The key of one window of one metric."""
    return f"{prefix}live:{start_ms}:{tenant_id}:{metric}"


def encode(windows: WindowBatch, version: int = OLD) -> bytes:
    """The value for the windows of one start."""
    packed = bytes(cramjam.zstd.compress(rollups.encode(windows, version), level=_LEVEL))
    number = b"" if version == 4 else bytes([version])  # the one without
    return windows.next_offset.to_bytes(_OFFSET_BYTES, "big") + number + packed


def decode(value: bytes) -> WindowBatch:
    """The windows of a value; raise `Rejected` for other bytes, `UnknownVersion` for those of another build."""
    start = _OFFSET_BYTES
    if value[start : start + len(_ZSTD)] != _ZSTD:
        if len(value) <= start:
            raise Rejected("bad_windows", "a live window has no bytes after its offset")
        check("live window", value[start], MODULES)
        start += 1
    try:
        return rollups.decode(bytes(cramjam.zstd.decompress(value[start:])))
    except cramjam.DecompressionError as error:
        raise Rejected("bad_windows", str(error)) from error
