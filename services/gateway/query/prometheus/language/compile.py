"""From a query to a plan: what promql-parser has read becomes the tree that is evaluated, or is refused by its place.

What is answered here is a part of PromQL; whatever is beyond it is named, with its line and column. Sums over labels
that can be added as rows are read as groups, so that rows which are prepared by these labels answer them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import promql_parser as promql

from services.gateway.query.prometheus.errors import QueryError, execution
from services.gateway.query.prometheus.language import buckets, plan, ranges
from services.gateway.query.prometheus.language.names import Names
from services.gateway.query.prometheus.language.selectors import NAME, Asked, asked_of, conditions_of
from services.gateway.query.questions.selection import Selection
from shared.promql.errors import Place
from shared.promql.positions import ALTERNATIVE, SELECTOR, Positions
from shared.promql.words import Text

MIN_RANGE_MS = 10_000
"""Shortest range: windows are no shorter."""

MAX_SPAN_MS = 400 * 24 * 3600 * 1000
"""Longest range, and farthest offset."""

PLAIN = frozenset({
    "abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "scalar", "vector", "sort", "sort_desc",
})  # fmt: skip
"""Functions of values that are answered."""

AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "topk", "bottomk", "quantile"})
"""Aggregations that are answered."""

OPERATORS = frozenset("+-*/%^<>") | {"==", "!=", "<=", ">=", "and", "or", "unless"}
"""Operators that are answered."""


class Compiler:
    """Compiles one query of one tenant."""

    def __init__(self, text: Text, tenant_id: int, names: Names) -> None:
        self._patterns = text.patterns
        self._positions = Positions(text)
        self._tenant_id = tenant_id
        self._names = names
        self.unknown: list[str] = []
        """Names that no metric has."""

    def node(self, tree: Any) -> plan.Node:
        """The plan of a part of the query; raise `QueryError` for what is not answered."""
        return _NODES[type(tree)](self, tree)

    def paren(self, tree: promql.ParenExpr) -> plan.Node:
        """What stands between brackets."""
        return self.node(tree.expr)

    def number(self, tree: promql.NumberLiteral) -> plan.Node:
        """A number."""
        return plan.Number(tree.val)

    def string(self, tree: promql.StringLiteral) -> plan.Node:
        """A text."""
        return plan.String(tree.val)

    def negation(self, tree: promql.UnaryExpr) -> plan.Node:
        """What follows a minus."""
        return plan.Call("negate", (self.node(tree.expr),))

    def matrix(self, _: promql.MatrixSelector) -> plan.Node:
        """A range that no function is applied to."""
        raise execution("a range is answered inside a function alone", self._positions.next(SELECTOR))

    def subquery(self, tree: promql.SubqueryExpr) -> plan.Node:
        """A range of instants of another query."""
        self.node(tree.expr)
        raise _beyond("a subquery", self._positions.next("["))

    def selector(self, tree: promql.VectorSelector) -> plan.Node:
        """Series at each instant."""
        return self._read(
            tree, lambda asked: ranges.at_instant(asked.metric.kind, asked.suffix), keeps_name=True
        )

    def call(self, tree: promql.Call) -> plan.Node:
        """A function."""
        function = tree.func.name
        place = self._positions.next(function.lower())
        match function:
            case "time":
                return plan.Time()
            case "histogram_quantile":
                return buckets.quantile(self.node(tree.args[0]), self.node(tree.args[1]), place)
            case "absent":
                return plan.Absent(self.node(tree.args[0]), self._labels_of_absent(_bare(tree.args[0])))
            case _ if function in ranges.COUNTERS or function in ranges.OVER_TIME:
                return self._over_range(function, tree, place)
            case _ if function in PLAIN:
                return plan.Call(function, tuple(self.node(each) for each in tree.args))
        raise _beyond(f"{function}()", place)

    def aggregation(self, tree: promql.AggregateExpr) -> plan.Node:
        """Series put together."""
        operation = str(tree.op).lower()
        place = self._positions.next(operation)
        if operation not in AGGREGATIONS:
            raise _beyond(f"{operation}()", place)
        parameter = None if tree.param is None else self.node(tree.param)
        labels = frozenset(tree.modifier.labels if tree.modifier else ())
        without = tree.modifier is not None and tree.modifier.type == promql.AggModifierType.Without
        vector = self.node(tree.expr)
        if without or not isinstance(vector, plan.Leaf) or not _adds_up(operation, vector, labels):
            return plan.Aggregation(operation, vector, parameter, labels, without)
        by = tuple(sorted(labels - {buckets.LE} if vector.measure == "buckets" else labels))
        groups = replace(vector, selection=replace(vector.selection, by=by), name="")
        if vector.measure == "buckets" and buckets.LE not in labels:
            return plan.Aggregation(operation, groups, parameter, labels, without)
        return groups

    def binary(self, tree: promql.BinaryExpr) -> plan.Node:
        """An operator between two."""
        left, operator = self.node(tree.lhs), str(tree.op).lower()
        place = self._positions.next(operator)
        if operator not in OPERATORS:
            raise _beyond(operator, place)
        modifier = tree.modifier
        matching = plan.Matching(frozenset(), on=False)
        if modifier is not None:
            self._check_grouping(modifier)
            found = modifier.matching
            if found is not None:
                matching = plan.Matching(
                    frozenset(found.labels), found.type == promql.LabelModifierType.Include
                )
        return plan.Binary(
            operator, left, self.node(tree.rhs), matching, bool(modifier and modifier.return_bool)
        )

    def _check_grouping(self, modifier: promql.BinModifier) -> None:
        card = promql.VectorMatchCardinality
        # These enumerations have no hash.
        for kind, word in ((card.ManyToOne, "group_left"), (card.OneToMany, "group_right")):
            if modifier.card == kind:
                raise _beyond(word, self._positions.next(word))
        if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
            raise _beyond("fill", self._positions.next("fill"))

    def _over_range(self, function: str, tree: promql.Call, place: Place) -> plan.Node:
        *parameters, matrix = map(_bare, tree.args)
        quantile = self.node(parameters[0]) if parameters else None
        if not isinstance(matrix, promql.MatrixSelector):
            return self.node(matrix)
        range_ms = self._span_ms(lambda: matrix.range, place)
        if range_ms < MIN_RANGE_MS:
            raise execution("the range is shorter than 10 s, which windows are long", place)

        def meaning(asked: Asked) -> ranges.Meaning | str:
            return ranges.over_range(function, asked.metric.kind, asked.suffix, range_ms)

        found = self._read(
            matrix.vector_selector, meaning, keeps_name=function == "last_over_time", place=place
        )
        per = ranges.COUNTERS.get(function, ranges.AS_IT_IS)
        return _each_leaf(found, lambda leaf: replace(leaf, per=per, quantile=quantile))

    def _read(
        self,
        tree: promql.VectorSelector,
        meaning: Callable[[Asked], ranges.Meaning | str],
        *,
        keeps_name: bool,
        place: Place | None = None,
    ) -> plan.Node:
        """The leaves of a selector; what they give is decided by the kind of each metric."""
        at = self._positions.next(SELECTOR)
        if tree.matchers.or_matchers:
            raise _beyond("or between matchers", self._positions.next(ALTERNATIVE))
        if tree.at is not None:
            raise _beyond("@", self._positions.next("@"))
        offset_ms = self._span_ms(lambda: tree.offset, at)
        conditions = conditions_of(tree, self._patterns, at)
        leaves = []
        for asked in asked_of(conditions, self._names, at):
            found = meaning(asked)
            if isinstance(found, str):
                raise execution(f"{asked.name} {found}", place or at)
            where, bounds = conditions.labels, buckets.NONE
            if found.measure == "buckets":
                where, bounds = buckets.bounds_of(conditions.labels)
            selection = Selection(
                self._tenant_id, asked.metric.name, asked.metric.kind, asked.metric.unit, where, by=None
            )
            name = asked.name if keeps_name else ""
            leaves.append(plan.Leaf(selection, found.measure, found.range_ms, offset_ms, name, bounds=bounds))
        if not leaves:
            self.unknown += [one.values[0] for one in conditions.names if one.operator == "="]
        return leaves[0] if len(leaves) == 1 else plan.Figures(tuple(leaves))

    def _span_ms(self, span: Callable[[], timedelta | None], place: Place) -> int:
        """A span of the tree, 0 for none; what Python cannot hold is an error only when it is looked at."""
        try:
            span_ms = round((span() or timedelta()) / timedelta(milliseconds=1))
        except (OverflowError, ValueError):
            span_ms = MAX_SPAN_MS + 1
        if abs(span_ms) > MAX_SPAN_MS:
            raise execution("longer than 400 days, which is as long as anything is kept", place)
        return span_ms

    def _labels_of_absent(self, tree: Any) -> tuple[tuple[str, str], ...]:
        """The labels that a selector asks for by equality, once each."""
        if not isinstance(tree, promql.VectorSelector):
            return ()
        named = [one for one in tree.matchers.matchers if one.name != NAME]
        once = [one for one in named if sum(one.name == other.name for other in named) == 1]
        equal = [one for one in once if one.op == promql.MatchOp.Equal and one.value]
        return tuple(sorted((one.name, one.value) for one in equal))


_NODES: dict[type, Callable[[Compiler, Any], plan.Node]] = {
    promql.ParenExpr: Compiler.paren,
    promql.NumberLiteral: Compiler.number,
    promql.StringLiteral: Compiler.string,
    promql.UnaryExpr: Compiler.negation,
    promql.MatrixSelector: Compiler.matrix,
    promql.SubqueryExpr: Compiler.subquery,
    promql.VectorSelector: Compiler.selector,
    promql.Call: Compiler.call,
    promql.AggregateExpr: Compiler.aggregation,
    promql.BinaryExpr: Compiler.binary,
}


def _beyond(construct: str, place: Place) -> QueryError:
    return execution(
        f"{construct} is beyond the part of PromQL that is answered here (docs/PROMETHEUS.md)", place
    )


def _bare(tree: Any) -> Any:
    """The tree without brackets around it."""
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    return tree


def _each_leaf(node: plan.Node, change: Callable[[plan.Leaf], plan.Leaf]) -> plan.Node:
    if isinstance(node, plan.Leaf):
        return change(node)
    return plan.Figures(tuple(map(change, node.leaves))) if isinstance(node, plan.Figures) else node


def _adds_up(operation: str, leaf: plan.Leaf, labels: frozenset[str]) -> bool:
    """Whether rows of groups give what the aggregation gives of rows of series."""
    if NAME in labels or leaf.selection.by is not None:
        return False
    if operation == "sum":
        return leaf.measure in {"sum", "count", "buckets"}
    return operation in {"min", "max"} and leaf.measure == operation
