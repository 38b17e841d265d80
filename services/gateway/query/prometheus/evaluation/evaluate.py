"""The value of a plan: its leaves are vectors already, all else is arithmetic.

Invariant: the result depends on the plan, the instants and the rows alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from services.gateway.query.prometheus.errors import execution
from services.gateway.query.prometheus.evaluation import functions, leaves
from services.gateway.query.prometheus.evaluation.aggregations import aggregated
from services.gateway.query.prometheus.evaluation.histograms import histogram_quantile
from services.gateway.query.prometheus.evaluation.operators import combined
from services.gateway.query.prometheus.evaluation.reading import Instants, Windows
from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector, joined
from services.gateway.query.prometheus.language import plan
from services.gateway.query.questions.grouped import Grouped

MAX_VALUES = 40_000_000
"""Most values that a query may make on its way, of all its parts together."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a leaf is made of."""

    windows: Windows
    parts: Sequence[Grouped]


class Evaluation:
    """One query at its instants."""

    def __init__(self, instants: Instants, rows: Mapping[plan.Leaf, Rows]) -> None:
        self._instants = instants
        self._times_s = instants.times_ms() / 1000
        self._rows = rows
        self._made = 0

    def value(self, node: plan.Node) -> Vector | Scalar:
        """The value of a node; raise `QueryError` where it has none, or costs too much."""
        found = _NODES[type(node)](self, node)
        self._made += found.values.size if isinstance(found, Vector) else len(found)
        if self._made > MAX_VALUES:
            raise execution(
                f"the query makes more than {MAX_VALUES:,} values: "
                "ask for fewer series, a shorter time or a longer step"
            )
        return found

    def scalar(self, node: plan.Node) -> Scalar:
        """The value of a scalar at each instant."""
        return cast("Scalar", self.value(node))

    def vector(self, node: plan.Node) -> Vector:
        """The value of a vector."""
        return cast("Vector", self.value(node))

    def number(self, node: plan.Number) -> Scalar:
        """The same at all instants."""
        return np.full(self._instants.size, node.value)

    def time(self, _: plan.Time) -> Scalar:
        """The instants themselves."""
        return self._times_s

    def leaf(self, node: plan.Leaf) -> Vector:
        """What rows give."""
        rows = self._rows[node]
        quantile = None if node.quantile is None else self.scalar(node.quantile)
        return leaves.vector(node, rows.windows, rows.parts, quantile)

    def figures(self, node: plan.Figures) -> Vector:
        """What several leaves give."""
        return joined([self.vector(leaf) for leaf in node.leaves], self._instants.size)

    def aggregation(self, node: plan.Aggregation) -> Vector:
        """Series put together."""
        parameter = None if node.parameter is None else self.scalar(node.parameter)
        return aggregated(node, self.vector(node.vector), parameter)

    def binary(self, node: plan.Binary) -> Vector | Scalar:
        """What an operator makes of both sides."""
        return combined(node, self.value(node.left), self.value(node.right))

    def absent(self, node: plan.Absent) -> Vector:
        """1 where there is nothing."""
        missing = self.vector(node.vector).present.sum(axis=0, keepdims=True) == 0
        return Vector([node.labels], np.ones(missing.shape), missing)

    def call(self, node: plan.Call) -> Vector | Scalar:
        """What a function gives."""
        first, *others = node.arguments
        match node.function:
            case "scalar":
                return functions.scalar_of(self.vector(first))
            case "vector":
                values = self.scalar(first)[np.newaxis]
                return Vector([()], values, np.ones(values.shape, np.bool_))
            case "histogram_quantile":
                return histogram_quantile(self.scalar(first), self.vector(others[0]))
            case "negate" if plan.is_scalar(first):
                return -self.scalar(first)
        return functions.applied(node.function, self.vector(first), [self.scalar(each) for each in others])


_NODES: dict[type, Callable[[Evaluation, Any], Vector | Scalar]] = {
    plan.Number: Evaluation.number,
    plan.Time: Evaluation.time,
    plan.Leaf: Evaluation.leaf,
    plan.Figures: Evaluation.figures,
    plan.Aggregation: Evaluation.aggregation,
    plan.Binary: Evaluation.binary,
    plan.Absent: Evaluation.absent,
    plan.Call: Evaluation.call,
}
"""Texts are answered as they are, and have no value here."""
