"""The prepared groups of one partition, window, metric and label set, as they are stored: a row of `rollup_group_*`.

The value is the version in a byte, then a block of LZ4, its size first, of a batch of windows (`shared.wire.rollups`):
a question reads a thousand of them, and to begin with zstd takes 30 us each, where LZ4 takes 1. Its series bear the
labels of the set alone, those that they have, ascending by their bytes, and each has one row: row i is of series i.
Offset and watermark of the batch are 0: equal groups have equal bytes, whenever they were written.
"""

from collections.abc import Iterator, Sequence

import cramjam

from shared.errors import Rejected
from shared.model.rollup import Ints, Rollups
from shared.wire import rollups
from shared.wire.rollups import WindowBatch
from shared.wire.versions import MODULES, NUMBER_BYTES, OLD, check


def encode(groups: WindowBatch, version: int = OLD) -> bytes:
    """The value for the groups of one window."""
    return bytes([version]) + bytes(_packed(rollups.encode(groups, version)))


def encode_all(groups: WindowBatch, at: Ints, version: int = OLD) -> Iterator[bytes]:
    """The values for several windows whose groups stand end to end: value k has those from `at[k]` to `at[k + 1]`."""
    number = bytes([version])
    return (number + bytes(_packed(plain)) for plain in rollups.encode_all(groups, at, version))


def decode(value: bytes) -> WindowBatch:
    """The groups of a value; raise `Rejected` for other bytes, `UnknownVersion` for those of another build."""
    return rollups.decode(_plain(value))


def decode_all(values: Sequence[bytes]) -> tuple[list[list[bytes]], Rollups]:
    """The series of each value, and all their rows, end to end; slots are those of each value. Raises as `decode`."""
    return rollups.decode_all([_plain(value) for value in values])


_packed = cramjam.lz4.compress_block


def _plain(value: bytes) -> bytes:
    if len(value) <= NUMBER_BYTES:
        raise Rejected("bad_windows", "prepared groups have no bytes after their version")
    check("prepared groups", value[0], MODULES)
    try:
        return bytes(cramjam.lz4.decompress_block(value[NUMBER_BYTES:]))
    except (cramjam.DecompressionError, MemoryError) as error:
        raise Rejected("bad_windows", str(error)) from error
