"""Quantiles of classic histograms, whose buckets are series with a label `le`.

They are interpolated within a bucket, as Prometheus does; what comes of sketches is not made here.
"""

from collections import defaultdict

import numpy as np

from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector, nothing, without
from services.gateway.query.prometheus.language.buckets import LE, number_of
from services.gateway.query.prometheus.language.selectors import NAME
from shared.model.labels import Labels
from shared.model.rollup import Floats


def histogram_quantile(quantile: Scalar, vector: Vector) -> Vector:
    """The quantile of each histogram; series without a bound are left out."""
    histograms: defaultdict[Labels, list[tuple[float, int]]] = defaultdict(list)
    for row, labels in enumerate(vector.labels):
        bound = number_of(dict(labels).get(LE, ""))
        if bound is not None:
            histograms[without(labels, {LE, NAME})].append((bound, row))
    found = nothing(len(quantile))
    if not histograms:
        return found
    values, present = zip(
        *(_of_one(quantile, vector, sorted(each)) for each in histograms.values()), strict=True
    )
    return Vector(list(histograms), np.array(values), np.array(present))


def _of_one(quantile: Scalar, vector: Vector, buckets: list[tuple[float, int]]) -> tuple[Floats, Floats]:
    """The quantile at each instant, from the buckets that are there, and whether there is any."""
    bounds, rows = np.array([bound for bound, _ in buckets]), np.array([row for _, row in buckets])
    counts, there = vector.values[rows], vector.present[rows]
    values = np.full(len(quantile), np.nan)
    patterns, of = np.unique(np.vstack([there, quantile]), axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        used, q = patterns[:-1, pattern] > 0, float(patterns[-1, pattern])
        columns = np.flatnonzero(of.ravel() == pattern)
        values[columns] = bucket_quantile(q, bounds[used], counts[np.ix_(used, columns)])
    return values, there.any(axis=0)


def bucket_quantile(q: float, bounds: Floats, counts: Floats) -> Floats:
    """The quantile of classic buckets at each instant: bounds ascending, the last infinite; counts (bounds, k).

    It is interpolated within its bucket; NaN without observations or a bound of infinity.
    """
    if np.isnan(q) or not 0 <= q <= 1:
        return np.full(counts.shape[1], np.nan if np.isnan(q) else np.inf if q > 1 else -np.inf)
    if len(bounds) < 2 or not np.isinf(bounds[-1]):
        return np.full(counts.shape[1], np.nan)
    counts = np.maximum.accumulate(counts, axis=0)
    total = counts[-1]
    rank = q * total
    at = np.minimum((counts[:-1] < rank).sum(axis=0), len(bounds) - 1)
    column = np.arange(counts.shape[1])
    before = np.where(at > 0, counts[np.maximum(at - 1, 0), column], 0.0)
    low = np.where(at > 0, bounds[np.maximum(at - 1, 0)], 0.0)
    inside = counts[at, column] - before
    found = low + (bounds[at] - low) * (rank - before) / inside
    found = np.where((at == 0) & (bounds[0] <= 0), bounds[0], found)
    found = np.where(at == len(bounds) - 1, bounds[-2], found)
    return np.where(total > 0, found, np.nan)
