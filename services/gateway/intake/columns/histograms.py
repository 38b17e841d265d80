"""Histograms to rows: one for each bucket, its value the middle of the bucket and its weight what lies in it.

An open-ended bucket reaches to zero if zero lies in it, else nowhere: its middle is half its bound, or its bound. The
bucket of a histogram without bounds counts at zero.
Invariant: the middles of a histogram differ, so that each names one running total. Empty buckets that hold no running
total are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.gateway.intake.domain.admission import Mask, Rejection, refused
from shared.errors import Rejected
from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT, Points
from shared.wire.envelope import MAX_ROWS

MAX_BUCKETS = 200
"""Buckets of a histogram; those of all histograms of a request are at most `MAX_ROWS`."""

CODE = "invalid_histogram"
SHAPE = f"histogram: must have one count more than bounds and at most {MAX_BUCKETS} counts"
BOUNDS = f"histogram: bounds must ascend, not too near to each other, and be at most {MAX_MAGNITUDE:g} in magnitude"
COUNTS = f"histogram: counts must not be negative and, times the weight, at most {MAX_WEIGHT:g}"
NO_VALUE = "histogram: not together with a value"
NO_GAUGE = "kind: must be 'delta' or 'cumulative' for a histogram"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """The buckets of the points that are histograms, end to end."""

    row: Ints
    """(h,) the point's row."""
    size: Ints
    """(h,) how many buckets it has."""
    total: Mask
    """(h,) whether they hold running totals."""
    middle: Floats
    """(b,) middle of each bucket."""
    count: Floats
    """(b,) what lies in it."""


class HistogramRow(NamedTuple):
    """A row that is a histogram."""

    row: int
    bounds: Sequence[float]
    """Upper ends of all buckets but the last, ascending."""
    counts: Sequence[float]
    """One more than bounds."""
    kind: str
    """`delta` or `cumulative`."""
    valued: bool = False
    """It has a value as well, for which it is refused."""


class Sides(NamedTuple):
    """The sides of all buckets; (b,) each."""

    lower: Floats
    upper: Floats
    first: Mask
    """Whether it is the first of its histogram."""
    last: Mask


def buckets_of(
    found: Sequence[HistogramRow], weight: Floats | None, limit: int = MAX_ROWS
) -> tuple[Buckets | None, list[Rejection]]:
    """The buckets and the refusals by row; `weight` is that of all rows. Raise `Rejected` for too many buckets."""
    if not found:
        return None, []
    if sum(len(one.counts) for one in found) > limit:
        raise Rejected("too_many_points", f"histogram: at most {limit} buckets a request")
    buckets, sides = _laid([one for one in found if _shaped(one)])
    owner = np.repeat(buckets.row, buckets.size)
    with np.errstate(over="ignore"):  # what overflows is refused for it
        heavy = buckets.count if weight is None else buckets.count * np.abs(weight[owner])
    uncounted = ~((buckets.count >= 0) & (heavy <= MAX_WEIGHT))
    return buckets, [
        *refused([one.row for one in found if not _shaped(one)], CODE, SHAPE),
        *refused([one.row for one in found if one.valued], CODE, NO_VALUE),
        *refused([one.row for one in found if one.kind == "gauge"], "invalid_kind", NO_GAUGE),
        *refused(owner[_unfit(sides, buckets.middle)].tolist(), CODE, BOUNDS),
        *refused(owner[uncounted].tolist(), CODE, COUNTS),
    ]


def expanded(points: Points, buckets: Buckets, left_out: list[int]) -> Points:
    """A row for each bucket in the place of its point; the points of these rows are left out."""
    kept = np.ones(len(points), np.bool_)
    kept[left_out] = False
    size = kept.astype(np.int64)
    size[buckets.row] *= buckets.size
    source = np.repeat(np.arange(len(points)), size)
    rows = points.rows(source)
    of_bucket, of_total = _marked(len(points), buckets.row), _marked(len(points), buckets.row[buckets.total])
    at, mine = of_bucket[source], np.repeat(kept[buckets.row], buckets.size)
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    weight[at] *= buckets.count[mine]
    rows.value[at] = buckets.middle[mine]
    rows.weight = weight
    return rows.rows((weight != 0) | of_total[source])


def _shaped(one: HistogramRow) -> bool:
    return 1 <= len(one.counts) == len(one.bounds) + 1 <= MAX_BUCKETS


def _laid(found: Sequence[HistogramRow]) -> tuple[Buckets, Sides]:
    """These histograms end to end."""
    size = np.array([len(one.counts) for one in found], np.int64)
    sides = _sides(_flat(one.bounds for one in found), size)
    buckets = Buckets(
        np.array([one.row for one in found], np.int64),
        size,
        np.array([one.kind == "cumulative" for one in found], np.bool_),
        sides.lower / 2 + sides.upper / 2,
        _flat(one.counts for one in found),
    )
    return buckets, sides


def _sides(bound: Floats, size: Ints) -> Sides:
    buckets, end = int(size.sum()), np.cumsum(size)
    first, last = _marked(buckets, end - size), _marked(buckets, end - 1)
    lower, upper = np.zeros(buckets), np.zeros(buckets)
    upper[~last] = bound
    lower[~first] = bound
    lower[first] = np.minimum(upper[first], 0)
    upper[last] = np.maximum(lower[last], 0)
    return Sides(lower, upper, first, last)


def _unfit(sides: Sides, middle: Floats) -> Mask:
    """Which buckets have a side that cannot be, or a middle that is not above the one before."""
    wide = ~((np.abs(sides.lower) <= MAX_MAGNITUDE) & (np.abs(sides.upper) <= MAX_MAGNITUDE))
    unfit = wide | ((sides.upper <= sides.lower) & ~sides.first & ~sides.last)
    unfit[1:] |= (middle[1:] <= middle[:-1]) & ~sides.first[1:]
    return np.asarray(unfit)


def _flat(lists: Iterable[Sequence[float]]) -> Floats:
    return np.fromiter(chain.from_iterable(lists), np.float64)


def _marked(size: int, places: Ints) -> Mask:
    marked = np.zeros(size, np.bool_)
    marked[places] = True
    return marked
