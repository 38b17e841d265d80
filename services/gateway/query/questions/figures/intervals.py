"""How sure a quantile of n samples is: the interval between two of the samples that holds the true one in 95 %. Pure.

Source: the distribution-free interval of order statistics (David, Nagaraja, "Order Statistics", 7.1): the number of
samples below the true quantile q is binomial (n, q). Up to `EXACT_SAMPLES` it is counted exactly, beyond by its normal
approximation, a rank wider on each side. Ranks count from 1.
"""

from functools import lru_cache
from math import ceil, floor, sqrt

import numpy as np

from shared.model import sketch
from shared.model.rollup import Floats, Rollups

TAIL = 0.025
"""Chance of the true quantile to lie beyond each end, at most."""

EXACT_SAMPLES = 2_000
"""Samples up to which the binomial distribution is summed."""

_NORMAL_TAIL = 1.959964


@lru_cache(maxsize=1 << 16)
def ranks(samples: int, q: float) -> tuple[int, int] | None:
    """The lower and the upper rank; 0, or one above the samples, where that side is not known; None for no samples."""
    if samples < 1:
        return None
    if samples > EXACT_SAMPLES:
        middle, wide = samples * q, _NORMAL_TAIL * sqrt(samples * q * (1 - q)) + 1
        return max(0, floor(middle - wide)), min(samples + 1, ceil(middle + wide) + 1)
    below = np.cumsum(_binomial(samples, q))
    # The lower rank r: P(fewer than r samples lie below) <= tail. The upper one: P(fewer than r) >= 1 - tail.
    lower = int(np.searchsorted(below, TAIL, side="right"))
    upper = int(np.searchsorted(below, 1 - TAIL, side="left")) + 1
    return lower, upper


def _binomial(samples: int, q: float) -> Floats:
    """The chance of each number of successes, 0 to `samples`."""
    if q in {0.0, 1.0}:
        certain = np.zeros(samples + 1)
        certain[int(q) * samples] = 1.0
        return certain
    k = np.arange(1, samples + 1)
    logs = np.concatenate(([0.0], np.cumsum(np.log(samples - k + 1) - np.log(k) + np.log(q) - np.log1p(-q))))
    chance = np.exp(logs - logs.max())
    return np.asarray(chance / chance.sum(), np.float64)


def intervals(rows: Rollups, q: float) -> tuple[Floats, Floats]:
    """The lower and the upper end for quantile `q` of each row, NaN where too few samples came or nobody counted them.

    Each end is the value of the bucket with its rank, widened by what the sketch may be wrong, within min and max.
    """
    samples = np.nan_to_num(rows.samples, nan=0.0).astype(np.int64)
    found = np.array([ranks(count, q) or (0, 1) for count in samples.tolist()], np.int64).reshape(-1, 2)
    place = (found - 0.5) / np.maximum(samples, 1)[:, np.newaxis]
    known = (found[:, 0] >= 1, found[:, 1] <= samples)
    low, high = (np.where(known[side], _value_at(rows, place[:, side].clip(0, 1)), np.nan) for side in (0, 1))
    low, high = low - np.abs(low) * sketch.ACCURACY, high + np.abs(high) * sketch.ACCURACY
    return np.maximum(low, rows.min), np.minimum(high, rows.max)


def _value_at(rows: Rollups, share: Floats) -> Floats:
    """The value below which a share of each row's weight lies; NaN where a row has no positive weight."""
    weight = np.maximum(rows.weight, 0.0)
    reached = np.concatenate(([0.0], np.cumsum(weight)))
    begin, end = rows.sketch_at[:-1], rows.sketch_at[1:]
    total = reached[end] - reached[begin]
    entry = np.searchsorted(reached[1:], reached[begin] + share * total, side="left")
    entry = np.minimum(np.maximum(entry, begin), np.maximum(end - 1, begin))
    value = (
        sketch.values_of(rows.bucket[np.minimum(entry, max(len(weight) - 1, 0))]) if len(weight) else share
    )
    return np.where(total > 0, value, np.nan)
