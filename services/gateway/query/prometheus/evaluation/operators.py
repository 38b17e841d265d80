"""Operators between scalars and vectors, and which series of two vectors belong together.

A comparison leaves what is true, or gives 0 and 1 under `bool`. Arithmetic leaves no names. Each instant stands by
itself: two series may have one match at one instant and different ones at another.
"""

from collections.abc import Callable
from typing import cast

import numpy as np

from services.gateway.query.prometheus.errors import execution
from services.gateway.query.prometheus.evaluation import vectors
from services.gateway.query.prometheus.evaluation.vectors import Mask, Scalar, Vector, only, without
from services.gateway.query.prometheus.language.plan import Binary, Matching
from services.gateway.query.prometheus.language.selectors import NAME
from shared.model.labels import Labels
from shared.model.rollup import Floats, Ints

_ARITHMETIC: dict[str, Callable[..., Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[..., Mask]] = {
    "==": np.equal, "!=": np.not_equal, ">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal,
}  # fmt: skip
_SETS = frozenset({"and", "or", "unless"})


def combined(node: Binary, left: Vector | Scalar, right: Vector | Scalar) -> Vector | Scalar:
    """What an operator makes of both sides."""
    if isinstance(left, Vector) and isinstance(right, Vector):
        return _of_sets(node, left, right) if node.operator in _SETS else _of_vectors(node, left, right)
    if isinstance(left, Vector):
        return _with_scalar(node, left, left.values, cast("Scalar", right))
    if isinstance(right, Vector):
        return _with_scalar(node, right, left, right.values)
    if node.operator in _ARITHMETIC:
        return _ARITHMETIC[node.operator](left, right)
    return _COMPARISONS[node.operator](left, right).astype(np.float64)


def _with_scalar(node: Binary, vector: Vector, left: Floats, right: Floats) -> Vector:
    """A vector with a number: a comparison keeps the values of the vector, whichever side it is on."""
    if node.operator in _ARITHMETIC:
        return vectors.without_names(vector.with_values(_ARITHMETIC[node.operator](left, right)))
    true = _COMPARISONS[node.operator](left, right)
    if node.is_bool:
        return vectors.without_names(vector.with_values(true.astype(np.float64)))
    return vector.with_values(vector.values, vector.present & true)


def _signature(matching: Matching, labels: Labels) -> Labels:
    return only(labels, matching.labels) if matching.on else without(labels, matching.labels | {NAME})


def _matched(node: Binary, left: Vector, right: Vector) -> tuple[Ints, Ints, int]:
    """The group of each series of both sides, and how many groups there are."""
    signatures = [_signature(node.matching, labels) for labels in (*left.labels, *right.labels)]
    groups, of = vectors.grouped(signatures)
    return of[: len(left.labels)], of[len(left.labels) :], len(groups)


def _of_sets(node: Binary, left: Vector, right: Vector) -> Vector:
    left_of, right_of, groups = _matched(node, left, right)
    there = np.zeros((groups, left.values.shape[1]), np.bool_)
    if node.operator == "or":
        np.logical_or.at(there, left_of, left.present)
        added = right.with_values(right.values, right.present & ~there[right_of])
        return vectors.joined([left, added], left.values.shape[1])
    np.logical_or.at(there, right_of, right.present)
    kept = there[left_of] if node.operator == "and" else ~there[left_of]
    return left.with_values(left.values, left.present & kept)


def _of_vectors(node: Binary, left: Vector, right: Vector) -> Vector:
    """Each series with the one that belongs to it; raise `QueryError` where several do.

    As in Prometheus they may, where the other side is empty, and on the left where a comparison leaves one of them.
    """
    left_of, right_of, groups = _matched(node, left, right)
    _check_alone(right_of, right.present & left.present.any(axis=0), groups, "right")
    values, there = _by_group(right, right_of, groups)
    present = left.present & there[left_of]
    if node.operator in _ARITHMETIC:
        found = left.with_values(_ARITHMETIC[node.operator](left.values, values[left_of]), present)
    else:
        true = _COMPARISONS[node.operator](left.values, values[left_of])
        if node.is_bool:
            found = left.with_values(true.astype(np.float64), present)
        else:
            found = left.with_values(left.values, present & true)
    _check_alone(left_of, found.present, groups, "left")
    return vectors.relabelled(found, [_result(node, labels) for labels in left.labels])


def _result(node: Binary, labels: Labels) -> Labels:
    """The labels of a series of the left side in the answer."""
    if node.operator in _ARITHMETIC or node.is_bool:
        labels = without(labels, {NAME})
    return only(labels, node.matching.labels) if node.matching.on else without(labels, node.matching.labels)


def _by_group(vector: Vector, of: Ints, groups: int) -> tuple[Floats, Mask]:
    """The one series of each group, at each instant."""
    values = np.zeros((groups, vector.values.shape[1]))
    present = np.zeros(values.shape, np.bool_)
    row, column = np.nonzero(vector.present)
    values[of[row], column] = vector.values[row, column]
    present[of[row], column] = True
    return values, present


def _check_alone(of: Ints, present: Mask, groups: int, side: str) -> None:
    counts = np.zeros((groups, present.shape[1]), np.int64)
    np.add.at(counts, of, present.astype(np.int64))
    if (counts > 1).any():
        raise execution(
            f"several series on the {side} side belong together: name the labels that tell them apart with on() "
            "or put them together first; group_left and group_right are not answered here"
        )
