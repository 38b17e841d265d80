"""Aggregations: series put together by their labels, at every instant by itself.

Where Prometheus defines what becomes of NaN and ties, so it is here: NaN gives way to any number in `min`, `max`,
`topk` and `bottomk`, and is the smallest value of a quantile.
"""

import numpy as np
from numpy.typing import NDArray

from services.gateway.query.prometheus.evaluation.vectors import Mask, Scalar, Vector, grouped, only, without
from services.gateway.query.prometheus.language.plan import Aggregation
from services.gateway.query.prometheus.language.selectors import NAME
from shared.model.labels import Labels
from shared.model.rollup import Floats

Ints = NDArray[np.int64]


def aggregated(node: Aggregation, vector: Vector, parameter: Scalar | None) -> Vector:
    """The vector of an aggregation."""
    groups, of = grouped(group_of(node, labels) for labels in vector.labels)
    if parameter is not None and node.operation in {"topk", "bottomk"}:
        return _ends(vector, of, parameter, largest=node.operation == "topk")
    shape = (len(groups), vector.values.shape[1])
    count = np.zeros(shape)
    np.add.at(count, of, vector.present.astype(np.float64))
    if parameter is not None:
        values = _quantiles(vector, of, shape, parameter)
    else:
        values = _folded(node.operation, vector, of, count)
    return Vector(groups, values, count > 0)


def group_of(node: Aggregation, labels: Labels) -> Labels:
    """The labels that a series is put together under."""
    return without(labels, node.labels | {NAME}) if node.without else only(labels, node.labels)


def _folded(operation: str, vector: Vector, of: Ints, count: Floats) -> Floats:
    if operation == "count":
        return count
    if operation in {"min", "max"}:
        return _extremes(vector, of, count.shape, operation)
    total = np.zeros(count.shape)
    np.add.at(total, of, np.where(vector.present, vector.values, 0.0))
    if operation == "sum":
        return total
    mean = total / count
    if np.isinf(mean).any():
        # The sum is too large, the mean need not be.
        scaled = np.zeros(count.shape)
        np.add.at(scaled, of, np.where(vector.present, vector.values / count[of], 0.0))
        mean = np.where(np.isinf(mean), scaled, mean)
    return mean


def _extremes(vector: Vector, of: Ints, shape: tuple[int, ...], operation: str) -> Floats:
    fold, neutral = (np.fmin, np.inf) if operation == "min" else (np.fmax, -np.inf)
    found = np.full(shape, neutral)
    fold.at(found, of, np.where(vector.present, vector.values, neutral))
    numbers = np.zeros(shape, np.bool_)
    np.logical_or.at(numbers, of, vector.present & ~np.isnan(vector.values))
    return np.where(numbers, found, np.nan)


def _ends(vector: Vector, of: Ints, parameter: Scalar, *, largest: bool) -> Vector:
    """The k largest or smallest series of each group, under all their labels; the first of equal ones."""
    present = np.zeros_like(vector.present)
    most = np.nan_to_num(np.trunc(parameter), nan=0.0).clip(0, len(of))
    keys = -vector.values if largest else vector.values
    for group in range(int(of.max(initial=-1)) + 1):
        rows = np.flatnonzero(of == group)
        order = _order(keys[rows], vector.present[rows], nan=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(rows))[:, np.newaxis], axis=0)
        present[rows] = vector.present[rows] & (rank < most)
    return Vector(vector.labels, vector.values, present)


def _order(keys: Floats, present: Mask, nan: int) -> Ints:
    """The order of the rows at each instant: numbers ascending at 0, NaN where it is said, what is not there last."""
    after = np.where(present, np.where(np.isnan(keys), nan, 0), 2)
    return np.lexsort((np.where(np.isnan(keys), 0.0, keys), after), axis=0)


def _quantiles(vector: Vector, of: Ints, shape: tuple[int, ...], parameter: Scalar) -> Floats:
    """Interpolated between neighbouring ranks; NaN is the smallest value."""
    found = np.full(shape, np.nan)
    for group in range(shape[0]):
        rows = np.flatnonzero(of == group)
        keys, there = vector.values[rows], vector.present[rows]
        keys = np.take_along_axis(keys, _order(keys, there, nan=-1), axis=0)
        count = there.sum(axis=0)
        rank = parameter * (count - 1)
        low = np.clip(np.nan_to_num(np.floor(rank)), 0, np.maximum(count - 1, 0)).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        column = np.arange(shape[1])
        share = rank - np.floor(rank)
        inside = keys[low, column] * (1 - share) + keys[high, column] * share
        outside = np.where(parameter < 0, -np.inf, np.where(parameter > 1, np.inf, np.nan))
        found[group] = np.where((parameter >= 0) & (parameter <= 1), inside, outside)
    return found
