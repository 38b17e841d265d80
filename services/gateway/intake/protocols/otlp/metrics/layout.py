"""How serializers lay out the points of gauges and sums, so that they can be cut instead of parsed.

A serializer writes the fields of all points in one order, which the first point of a metric shows: fields of nine bytes
(start, time, value), then attributes, then more fields of nine bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

START, TIME, AS_DOUBLE, AS_INT, ATTRIBUTE = 0x11, 0x19, 0x21, 0x31, 0x3A
"""First bytes of the fields of a point: start, time, value of either type, an attribute."""

FIXED = frozenset({START, TIME, AS_DOUBLE, AS_INT})

WIDTH = 9
"""Bytes of a fixed field."""

_LENGTH_BITS = 28
"""Most bits of the length of an attribute but for its last byte."""

FIRSTS, NUMBERS = ("first0", "first1", "first2"), ("number0", "number1", "number2")
"""Names of the first bytes and of the numbers of fixed fields, of which there are three at most."""

Slicer = Callable[[bytes], bytes]

_NO_START = bytes([START, *bytes(WIDTH - 1)])
"""A start that is unknown."""


class Order(NamedTuple):
    """The fixed fields by their first bytes, before and behind the attributes; `AS_DOUBLE` stands for both values."""

    head: bytes
    tail: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What cuts a point. A layout without a start is read as the one that has it first, or last where times come last.

    So gauges, which have no start, are read together with the sums of their serializer.
    """

    order: Order
    """With the start."""
    middle: Slicer
    """Cuts the attributes out."""
    _head: Slicer
    _tail: Slicer
    _shortest: int
    """Bytes of a point without attributes."""
    _before: bytes
    _behind: bytes
    """The start that is filled in, before or behind the head of each point."""

    def heads(self, points: Sequence[bytes]) -> bytes:
        """The fixed fields of all points before their attributes; what is in them is not looked at."""
        if self._before:
            return self._before + self._before.join(map(self._head, points))
        return self._behind.join(map(self._head, points)) + self._behind

    def tails(self, points: Sequence[bytes]) -> bytes:
        """Those behind them; nothing where a point is too short to have both."""
        return b"" if min(map(len, points)) < self._shortest else b"".join(map(self._tail, points))


def are_laid_out(fixed: bytes, order: bytes, count: int) -> bool:
    """Whether the joined fields of so many points have these first bytes."""
    width = WIDTH * len(order)
    if len(fixed) != width * count:  # a point is shorter than its head
        return False
    for at, first in enumerate(order):
        firsts = fixed[WIDTH * at :: width]
        if firsts.count(first) + (firsts.count(AS_INT) if first == AS_DOUBLE else 0) != count:
            return False
    return True


def layout_of(point: bytes) -> Layout | None:
    """How a point is laid out; None for one with other fields, a doubled one, or none of time and value."""
    end = len(point)
    head = _fixed(point, 0, end)
    behind = attributes_end(point, WIDTH * len(head))
    tail = _fixed(point, behind, end)
    order = (head + tail).replace(bytes([AS_INT]), bytes([AS_DOUBLE]))
    if (
        behind + WIDTH * len(tail) != end
        or not {TIME, AS_DOUBLE} <= set(order)
        or len(set(order)) < len(order)
    ):
        return None
    return _layout(order[: len(head)], order[len(head) :])


@lru_cache(maxsize=64)
def _layout(head: bytes, tail: bytes) -> Layout:
    wide, narrow = WIDTH * len(head), WIDTH * len(tail)
    before = behind = b""
    order = head
    if START not in head + tail:
        if head[-1:] == bytes([TIME]) and len(head) > 1:
            behind, order = _NO_START, head + bytes([START])
        else:
            before, order = _NO_START, bytes([START]) + head
    return Layout(
        Order(order, tail),
        itemgetter(slice(wide, -narrow or None)),
        itemgetter(slice(wide)),
        itemgetter(slice(-narrow, None)),
        wide + narrow,
        before,
        behind,
    )


def attributes_end(point: bytes, begin: int = 0) -> int:
    """Where the attributes that follow each other from here end."""
    end = len(point)
    while begin < end and point[begin] == ATTRIBUTE:
        size, at, shift = 0, begin + 1, 0
        while at < end and point[at] & 0x80 and shift < _LENGTH_BITS:
            size |= (point[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        if at >= end or point[at] & 0x80:
            return begin
        size |= point[at] << shift
        if at + 1 + size > end:
            return begin
        begin = at + 1 + size
    return begin


@lru_cache(maxsize=4)
def cells_of(fields: int) -> "np.dtype[Any]":
    """First byte and number of so many fixed fields."""
    return np.dtype([part for at in range(fields) for part in ((FIRSTS[at], "u1"), (NUMBERS[at], "<u8"))])


def _fixed(point: bytes, begin: int, end: int) -> bytes:
    """The first bytes of the fixed fields that follow each other from here."""
    found = bytearray()
    while begin + WIDTH <= end and point[begin] in FIXED:
        found.append(point[begin])
        begin += WIDTH
    return bytes(found)
