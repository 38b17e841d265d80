"""A quantile sketch: bucket -> weight, buckets of equal relative width. It merges by adding weights.

Source: Masson, Rim, Lee, "DDSketch", VLDB 2019, with the logarithmic mapping. A bucket is an int16: 0 for values nearer
to zero than `SMALLEST`, else with the sign of the value, so buckets sort as values do. Invariant: a quantile lies
within the smallest and the largest value and is within `ACCURACY` of the exact one, which is interpolated; where that
lies between a negative and a positive value, `ACCURACY` is of the larger magnitude of the two.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ACCURACY = 0.01
"""Relative error of a quantile."""

SMALLEST = 1e-100
"""Magnitudes below it are zero."""

Buckets = NDArray[np.int16]
Weights = NDArray[np.float64]

_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG = 1 / math.log(_GAMMA)
_OFFSET = 12_000
"""Makes the index of every allowed magnitude (1e-100 to 1e100: -11513 to 11514) positive."""

_LEAST_STEP = 1e-12
_EDGE = 1e-9
_ENDS = 2
_TABLE_CELLS = 1 << 16
"""Cells of a table, which fit into the cache of a core."""


def buckets_of(values: NDArray[np.float64]) -> Buckets:
    """Bucket of each value; shape of `values`. Magnitudes must not exceed 1e100."""
    if len(values) and values.min() >= SMALLEST:
        return _indices(values)
    magnitude = np.abs(values)
    index = _indices(np.maximum(magnitude, SMALLEST))
    return np.where(magnitude < SMALLEST, 0, np.where(values < 0, -index, index)).astype(np.int16)


def _indices(magnitude: NDArray[np.float64]) -> Buckets:
    scaled = np.log(magnitude)
    scaled *= _PER_LOG
    np.ceil(scaled, out=scaled)
    scaled += _OFFSET
    return scaled.astype(np.int16)


def are_small(weights: Weights, limit: int) -> bool:
    """Whether there are weights, and all are whole and from 0 to below `limit`."""
    return bool(
        len(weights) and weights.min() >= 0 and weights.max() < limit and (np.trunc(weights) == weights).all()
    )


def values_of(buckets: Buckets) -> NDArray[np.float64]:
    """Value that stands for each bucket: within `ACCURACY` of all values in it."""
    index = np.abs(buckets.astype(np.float64)) - _OFFSET
    middle = np.exp(index / _PER_LOG) * (2 / (1 + _GAMMA))
    return np.sign(buckets) * middle


class Sketches(NamedTuple):
    """Sketches end to end, with the extremes of what each holds: sketch i is the span `at[i]:at[i + 1]`."""

    at: NDArray[np.int64]
    """(n + 1,) where each begins."""
    bucket: Buckets
    """(m,) buckets, ascending within a sketch."""
    weight: Weights
    """(m,) their weights; what retractions have emptied, or more than that, is passed over."""
    low: NDArray[np.float64]
    """(n,) smallest value, or a bound of it; not known where it is not finite."""
    high: NDArray[np.float64]
    """(n,) largest value, or a bound of it; not known where it is not finite."""


def quantile(
    buckets: Buckets, weights: Weights, q: float, low: float | None = None, high: float | None = None
) -> float | None:
    """Quantile `q` (0 to 1) of one sketch with ascending buckets; None when it holds no positive weight.

    `low` and `high` are the smallest and the largest value, or bounds of them; None: not known.
    """
    ends = np.array([np.nan if low is None else low]), np.array([np.nan if high is None else high])
    one = Sketches(np.array([0, len(buckets)], np.int64), buckets, weights, *ends)
    found = float(quantiles(one, (q,))[0, 0])
    return None if math.isnan(found) else found


def quantiles(sketches: Sketches, qs: Sequence[float]) -> NDArray[np.float64]:
    """Each quantile (0 to 1) of each sketch, shape (n, len(qs)); NaN where a sketch holds no positive weight.

    The quantile q of n values is interpolated between the values of the ranks beside q * (n - 1), counted from 0, as
    `percentile_cont` of Postgres, numpy and Prometheus do it. A value of weight w stands for w values. A sketch gets
    the same quantiles, to the last bit, whatever others stand beside it.
    """
    found = np.full((len(sketches.low), len(qs)), np.nan)
    used = np.flatnonzero(sketches.weight > 0)
    row = np.repeat(np.arange(len(found)), np.diff(sketches.at))[used]
    sizes = np.bincount(row, minlength=len(found))
    at = np.concatenate(([0], np.cumsum(sizes)))
    bucket, weight = sketches.bucket[used], sketches.weight[used]
    for rows in _of_like_sizes(sizes):
        spans = at[rows, np.newaxis] + np.arange(sizes[rows[-1]])
        inside = spans < at[rows + 1, np.newaxis]
        spans[~inside] = 0
        table = _Table(bucket[spans], np.where(inside, weight[spans], 0.0), sizes[rows])
        found[rows] = table.quantiles(qs, sketches.low[rows], sketches.high[rows])
    return found


def quantile_tuples(sketches: Sketches, qs: Sequence[float]) -> list[tuple[float | None, ...]]:
    """The same as plain numbers, a tuple for each sketch; None where it holds no positive weight."""
    found = quantiles(sketches, qs).tolist()
    return [tuple(None if math.isnan(value) else value for value in row) for row in found]


def _of_like_sizes(sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The places of sketches that hold something, in groups that fill tables well, the smaller ones first."""
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]
    while len(order):
        cells = np.arange(1, len(order) + 1) * (sizes[order] + _ENDS)
        taken = max(1, int(np.searchsorted(cells, _TABLE_CELLS, side="right")))
        yield order[:taken]
        order = order[taken:]


class _Table(NamedTuple):
    """Sketches as rows of a table, each filled up with weights of 0."""

    bucket: Buckets
    weight: Weights
    size: NDArray[np.int64]
    """Buckets of each row."""

    def quantiles(
        self, qs: Sequence[float], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Quantile q is the mean of the values at the ranks from q * (n - step) on, over one step.

        With whole weights and a step of 1 that interpolates between neighbours. The first step has the smallest value,
        the last one the largest, if they are known exactly.
        """
        bounds = _known(low, -np.inf)[:, np.newaxis], _known(high, np.inf)[:, np.newaxis]
        step, (value, reached) = self._steps(*bounds)
        before = np.zeros_like(reached)
        before[:, 1:] = reached[:, :-1]
        found = np.empty((len(low), len(qs)))
        for place, q in enumerate(qs):
            since = q * (reached[:, -1:] - step)
            share = np.minimum(reached, since + step) - np.maximum(before, since)
            row, column = np.nonzero(share > 0)
            share = share[row, column]
            total = np.bincount(row, share * value[row, column], len(low))
            found[:, place] = total / np.bincount(row, share, len(low))
        return np.clip(found, *bounds)

    def _steps(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """The step of each row, and its values with the ranks at which they end: the ends of a row stand apart."""
        rows, first, last = np.arange(len(self.size)), self.bucket[:, 0], self.size - 1
        final = self.bucket[rows, last]
        step = _step_of(np.cumsum(self.weight, axis=1)[:, -1], self.size)
        weight, value = np.zeros((2, len(rows), self.bucket.shape[1] + _ENDS))
        value[:, 1:-1] = np.clip(values_of(self.bucket), low, high)
        value[:, 0] = np.where(_holds(first, low[:, 0]), low[:, 0], value[:, 1])
        value[:, -1] = np.where(_holds(final, high[:, 0]), high[:, 0], value[rows, last + 1])
        alone = np.where(last == 0, 0.5, 1.0)
        weight[:, 1:-1] = self.weight
        weight[:, 0] = np.minimum(step, weight[:, 1] * alone)
        weight[:, -1] = np.minimum(step, weight[rows, last + 1] * alone)
        weight[:, 1] -= weight[:, 0]
        weight[rows, last + 1] -= weight[:, -1]
        return step[:, np.newaxis], (value, np.cumsum(weight, axis=1))


def _step_of(total: Weights, size: NDArray[np.int64]) -> Weights:
    """How far neighbouring values are apart in rank: 1, or less where weights are mostly below 1.

    Nor is it less than what a float tells apart from the total.
    """
    return np.maximum(np.minimum(1.0, total / size), total * _LEAST_STEP)


def _known(bound: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    return np.where(np.isfinite(bound), bound, otherwise)


def _holds(bucket: Buckets, value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a value lies inside its bucket, not at an edge, as the bounds do that `extremes` gives."""
    ratio = np.abs(value) / np.exp((np.abs(bucket.astype(np.float64)) - _OFFSET) / _PER_LOG)
    inside = (ratio > (1 + _EDGE) / _GAMMA) & (ratio < 1 - _EDGE)
    return np.asarray(inside & (np.sign(bucket) == np.sign(value)))


def merge(buckets: Buckets, weights: Weights) -> tuple[Buckets, Weights]:
    """Add the weights of equal buckets, in order of appearance; ascending distinct buckets and their weights."""
    distinct, at = np.unique(buckets, return_inverse=True)
    return distinct, np.bincount(at, weights, len(distinct)).astype(np.float64, copy=False)


def extremes(at: NDArray[np.int64], buckets: Buckets, weights: Weights) -> tuple[Weights, Weights]:
    """Lower bound of the lowest and upper bound of the highest bucket of positive weight, for sketches end to end.

    Sketch i is the span `at[i]:at[i + 1]`, buckets ascending; one without positive weight gives +inf and -inf.
    """
    rows = len(at) - 1
    low, high = np.full(rows, np.inf), np.full(rows, -np.inf)
    used = np.flatnonzero(weights > 0)
    row = np.repeat(np.arange(rows), np.diff(at))[used]
    # Of several assignments to one place the last stands.
    low[row[::-1]] = _edges(buckets[used[::-1]], upper=False)
    high[row] = _edges(buckets[used], upper=True)
    return low, high


def _edges(buckets: Buckets, *, upper: bool) -> NDArray[np.float64]:
    index = np.abs(buckets.astype(np.float64)) - _OFFSET
    index -= (buckets < 0) == upper
    return np.sign(buckets) * np.exp(index / _PER_LOG)
