"""Cuts series of one float sample, as Go writes them, into labels and sample without parsing them.

Such a row is its labels and then 18 bytes: `12 10`, `09` and 8 bytes of the value, `10` and 6 bytes of the time; or 9
bytes, `12 07`, `10` and 6 bytes of the time, where the value is zero. A protobuf parser is sequential: where the bytes
before the cut are known to be whole fields, the cut is what a parser finds. Whoever takes a row as cut has to know
that. Milliseconds UTC.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WITH_VALUE, ZERO = 18, 9
"""Bytes of a sample at the end of its row."""

UInts = NDArray[np.uint64]

_ENDS = np.dtype((np.void, WITH_VALUE))

_FULL, _FULL_MASK = (int.from_bytes(bytes(each), "little") for each in ((0x12, 0x10, 0x09), (255, 255, 255)))
_SHORT, _SHORT_MASK = (int.from_bytes(bytes(each), "little") for each in ((0x12, 0x07), (255, 255)))
"""How a sample begins, as the lowest bytes of a number."""

_TIME = int.from_bytes(bytes((0, 0x10, *[0x80] * 5, 0)), "little")
_TIME_MASK = int.from_bytes(bytes((0, 255, *[0x80] * 6)), "little")
"""The last eight bytes: one of anything, the tag of the time, and six of a number, all but the last with a next one."""


class Cut(NamedTuple):
    """Rows as they may be cut; (n,) each."""

    heads: list[bytes]
    """The bytes before the sample, empty where the row has another layout."""
    bits: UInts
    """The values as they stand on the wire."""
    ts_ms: NDArray[np.int64]


def cut(rows: Sequence[bytes]) -> Cut:
    """Cut each row whose end looks like one sample."""
    size = np.fromiter(map(len, rows), np.intp, len(rows))
    # In front are as many bytes of nothing, so that every row has an end of 18 bytes, its own or not.
    text = b"".join((bytes(WITH_VALUE), *rows))
    ends = np.ndarray((len(text) - WITH_VALUE + 1,), _ENDS, text, strides=(1,))[np.cumsum(size)]
    last = _number(ends, 10)
    timed = (last & _TIME_MASK) == _TIME
    full = timed & ((_number(ends, 0) & _FULL_MASK) == _FULL) & (size >= WITH_VALUE)
    if full.all():
        return Cut([row[:-WITH_VALUE] for row in rows], _number(ends, 3), _varint(last >> np.uint64(16)))
    zero = timed & ((_number(ends, 9) & _SHORT_MASK) == _SHORT) & ~full & (size >= ZERO)
    length = np.where(full, WITH_VALUE, np.where(zero, ZERO, 0)).tolist()
    heads = [row[:-end] if end else b"" for row, end in zip(rows, length, strict=True)]
    return Cut(heads, _number(ends, 3) * full, _varint(last >> np.uint64(16)))


def _number(ends: NDArray[np.void], at: int) -> UInts:
    """Eight bytes of each end, from a place on."""
    return np.ndarray((len(ends),), "<u8", ends, at, (WITH_VALUE,))


def _varint(bits: UInts) -> NDArray[np.int64]:
    """Six bytes of seven bits each, the lowest first."""
    number = bits & np.uint64(0x7F)
    for place in range(7, 42, 7):
        bits = bits >> np.uint64(1)
        number = number | bits & np.uint64(0x7F << place)
    return number.view(np.int64)
