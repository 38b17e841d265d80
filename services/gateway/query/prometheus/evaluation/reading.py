"""Which rows a leaf takes: its windows at each instant, and the tiers that they are read from.

Times are milliseconds UTC. An instant is rounded down to the windows of a tier: the coarsest in whose windows the
answer is the same, for as long as it is kept. Invariant: a window read from coarse rows holds the points that the same
window of 10 s rows would, or `rounded` says that it does not.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from services.gateway.query.prometheus.language.plan import Leaf
from shared.model.rollup import Ints
from shared.model.window import BASE_MS, TIERS_MS

DAY_MS = 24 * 3600 * 1000

_MARGIN_MS = TIERS_MS[-1]

SURELY_KEPT_MS = {
    TIERS_MS[0]: 6 * 3600 * 1000 - _MARGIN_MS,
    TIERS_MS[1]: 9 * DAY_MS - _MARGIN_MS,
    TIERS_MS[2]: 1 << 60,
}
"""How old the rows of a tier may be that are there whatever an operator has set."""

NEGLIGIBLE = 0.02
"""A range is rounded to whole windows of a coarser tier where that changes it by no more than this share."""


class Instants(NamedTuple):
    """When a query is evaluated."""

    start_ms: int
    step_ms: int
    size: int
    """How many."""

    def times_ms(self) -> Ints:
        """All of them."""
        return self.start_ms + np.arange(self.size, dtype=np.int64) * self.step_ms


class Span(NamedTuple):
    """Rows of one tier: windows that start in [from_ms, to_ms)."""

    from_ms: int
    to_ms: int
    tier_ms: int


class Windows(NamedTuple):
    """The windows of a leaf, [begin, end), both ascending, no two alike."""

    begin_ms: Ints
    end_ms: Ints
    of: Ints
    """Which of them each instant has."""
    spans: tuple[Span, ...]
    """What holds all of them."""
    rounded: bool
    """Whether no tier has the windows that were asked for."""


def windows_of(leaf: Leaf, instants: Instants, now_ms: int) -> Windows:
    """The windows of a leaf, and what to read."""
    at_ms = instants.times_ms() - leaf.offset_ms
    if leaf.range_ms == 0:
        return _of_days(at_ms, now_ms)
    if len(at_ms) == 1:
        return _at_once(leaf, int(at_ms[0]), now_ms)
    # A row knows when its last point came, so that any length is exact that is not shorter.
    is_last = leaf.measure == "last"
    tier_ms, rounded = _tier(at_ms, 0 if is_last else leaf.range_ms, int(at_ms[0]) - leaf.range_ms, now_ms)
    end_ms, of = np.unique(at_ms - at_ms % tier_ms, return_inverse=True)
    windows = -(-leaf.range_ms // tier_ms) if is_last else max(1, round(leaf.range_ms / tier_ms))
    begin_ms = end_ms - windows * tier_ms
    return Windows(begin_ms, end_ms, of, (Span(int(begin_ms[0]), int(end_ms[-1]), tier_ms),), rounded)


def _tier(at_ms: Ints, range_ms: int, since_ms: int, now_ms: int) -> tuple[int, bool]:
    """The tier of windows that end at these instants, and whether they are rounded."""
    for tier_ms in reversed(TIERS_MS):
        error_ms = abs(round(range_ms / tier_ms) * tier_ms - range_ms)
        if (
            not (at_ms % tier_ms).any()
            and error_ms <= range_ms * NEGLIGIBLE
            and _has(tier_ms, since_ms, now_ms)
        ):
            return tier_ms, False
    finest_ms = _finest(since_ms, now_ms)
    return finest_ms, finest_ms > BASE_MS


def _has(tier_ms: int, since_ms: int, now_ms: int) -> bool:
    return since_ms >= now_ms - SURELY_KEPT_MS[tier_ms]


def _finest(since_ms: int, now_ms: int) -> int:
    return next(tier_ms for tier_ms in TIERS_MS if _has(tier_ms, since_ms, now_ms))


def _at_once(leaf: Leaf, at_ms: int, now_ms: int) -> Windows:
    """One window, of coarse rows between fine ones at its ends."""
    range_ms, exact_ms = leaf.range_ms, at_ms - at_ms % BASE_MS
    first_ms, last_ms = _finest(at_ms - range_ms, now_ms), _finest(at_ms, now_ms)
    end_ms = at_ms - at_ms % last_ms
    begin_ms = end_ms - range_ms + (0 if leaf.measure == "last" else first_ms // 2)
    begin_ms = min(begin_ms - begin_ms % first_ms, end_ms - last_ms)
    error_ms = exact_ms - end_ms + (0 if leaf.measure == "last" else abs(end_ms - begin_ms - range_ms))
    one = (Span(begin_ms, end_ms, first_ms),)
    is_short = end_ms - begin_ms <= TIERS_MS[-1] and end_ms % first_ms == 0
    spans = one if is_short else tuple(_tiles(begin_ms, end_ms))
    return Windows(
        np.array([begin_ms]), np.array([end_ms]), np.zeros(1, np.int64), spans,
        rounded=max(first_ms, last_ms) > BASE_MS and error_ms > range_ms * NEGLIGIBLE,
    )  # fmt: skip


def _of_days(at_ms: Ints, now_ms: int) -> Windows:
    """Since 00:00 UTC of the day that the last 10 s before each instant lie in."""
    tier_ms, rounded = _tier(at_ms, 0, int(at_ms[0]), now_ms)
    end_ms, of = np.unique(at_ms - at_ms % tier_ms, return_inverse=True)
    begin_ms = end_ms - 1 - (end_ms - 1) % DAY_MS
    first = _tiles(int(begin_ms[0]), int(end_ms[0]))
    spans = [*first, Span(int(end_ms[0]), int(end_ms[-1]), tier_ms)]
    return Windows(begin_ms, end_ms, of, tuple(span for span in spans if span.from_ms < span.to_ms), rounded)


def _tiles(begin_ms: int, end_ms: int) -> Iterator[Span]:
    """One window as the fewest rows: the coarsest that fit in the middle, finer ones at the ends."""
    low_ms, high_ms = begin_ms, end_ms
    left, right = [], []
    for tier_ms, coarser_ms in pairwise(TIERS_MS):
        inner_low_ms = min(-(-low_ms // coarser_ms) * coarser_ms, high_ms)
        inner_high_ms = max(high_ms - high_ms % coarser_ms, inner_low_ms)
        left.append(Span(low_ms, inner_low_ms, tier_ms))
        right.append(Span(inner_high_ms, high_ms, tier_ms))
        low_ms, high_ms = inner_low_ms, inner_high_ms
    middle = Span(low_ms, high_ms, TIERS_MS[-1])
    yield from (span for span in (*left, middle, *reversed(right)) if span.from_ms < span.to_ms)
