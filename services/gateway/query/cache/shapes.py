"""Shapes: which selections are asked for in which tier and how far back, whatever the time; the most asked first.

Seconds of a clock that only grows. Counts are of the last half hour to hour. Pure but for the clock that is given.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from services.gateway.query.questions.selection import Matcher, Operator, Selection

HALF_S = 1_800.0
"""Counts of one such span and the one before it are known."""

MAX_SHAPES = 1_000
"""Shapes that are counted in one span; others are not until the next one begins."""

MAX_BLOCKS = 24
"""Blocks that are looked back at, at most."""


class Shape(NamedTuple):
    """What is asked for again and again."""

    selection: Selection
    tier_ms: int


class _Stored(msgspec.Struct, array_like=True):
    tenant_id: int
    metric: str
    kind: str | None
    unit: str | None
    where: list[tuple[str, Operator, tuple[str, ...], bool]]
    by: tuple[str, ...] | None
    tier_ms: int
    blocks: int


class AskedShapes:
    """Counts shapes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._now: Counter[Shape] = Counter()
        self._before: Counter[Shape] = Counter()
        self._blocks: dict[Shape, int] = {}
        self._until_s = clock() + HALF_S

    def note(self, shape: Shape, blocks: int) -> None:
        """A shape was asked for, so many blocks back."""
        if self._clock() >= self._until_s:
            self._turn()
        if shape in self._now or len(self._now) < MAX_SHAPES:
            self._now[shape] += 1
            self._blocks[shape] = min(MAX_BLOCKS, max(blocks, self._blocks.get(shape, 1)))

    def _turn(self) -> None:
        self._before, self._now = self._now, Counter()
        self._blocks = {shape: blocks for shape, blocks in self._blocks.items() if shape in self._before}
        self._until_s = self._clock() + HALF_S

    def most(self, number: int) -> list[tuple[Shape, int]]:
        """The shapes most asked, and how many blocks back."""
        return [(shape, self._blocks[shape]) for shape, _ in (self._now + self._before).most_common(number)]


def packed(shape: Shape, blocks: int) -> bytes:
    """A shape as bytes."""
    one = shape.selection
    where = [(each.label, each.operator, each.values, each.negated) for each in one.where]
    return msgspec.msgpack.encode(
        _Stored(one.tenant_id, one.metric, one.kind, one.unit, where, one.by, shape.tier_ms, blocks)
    )


def unpacked(value: bytes) -> tuple[Shape, int] | None:
    """The shape of these bytes; None for those of another build."""
    try:
        one = msgspec.msgpack.decode(value, type=_Stored)
    except msgspec.DecodeError:
        return None
    where = tuple(Matcher(*each) for each in one.where)
    selection = Selection(one.tenant_id, one.metric, one.kind, one.unit, where, one.by)
    return Shape(selection, one.tier_ms), min(MAX_BLOCKS, one.blocks)
