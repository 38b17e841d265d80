"""A quantile sketch: bucket -> weight, buckets of equal relative width. It merges by adding weights.

Source: Masson, Rim, Lee, "DDSketch", VLDB 2019, with the logarithmic mapping. A bucket is an int16: 0 for values nearer
to zero than `SMALLEST`, else with the sign of the value, so buckets sort as values do. Invariant: the relative error of
a quantile is at most `ACCURACY`.
"""

import math

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


def quantile(buckets: Buckets, weights: Weights, q: float) -> float | None:
    """Quantile `q` (0 to 1) of a sketch with ascending buckets; None when it holds no positive weight.

    Buckets that retractions have emptied are passed over.
    """
    weights = np.maximum(weights, 0.0)
    reached = np.cumsum(weights)
    total = float(reached[-1]) if len(reached) else 0.0
    if total <= 0:
        return None
    at = int(np.searchsorted(reached, q * max(total - 1, 0.0), side="right"))
    at = min(at, int(np.flatnonzero(weights)[-1]))
    return float(values_of(buckets[at : at + 1])[0])


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
