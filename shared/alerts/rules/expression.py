"""The expression of a rule: one comparison of a figure of each series with a number, in PromQL.

promql-parser reads all of PromQL, of which this is a stated part; the rest is refused by its place, with what to write
instead. Columns count signs from 0. Invariant: what is accepted means what PromQL says, and its text is read the same.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import promql_parser as promql

from shared.alerts.rules import alias, spelling
from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.plan import (
    COMPARISONS,
    GROWTH,
    NAME,
    POINTS,
    Arithmetic,
    Comparison,
    Leaf,
    Matcher,
    Operation,
    Selector,
)
from shared.model.window import BASE_MS
from shared.promql.errors import BadPattern, NotPromql, PromqlError
from shared.promql.mistakes import mistake_at
from shared.promql.patterns import compiled
from shared.promql.positions import ALTERNATIVE, SELECTOR, Positions
from shared.promql.words import Text, parsed, text_of

MAX_WINDOWS = 120
"""Longest range, in windows."""

OVER_TIME: dict[str, Operation] = {
    "avg_over_time": "avg", "min_over_time": "min", "max_over_time": "max", "sum_over_time": "sum",
    "count_over_time": "count", "last_over_time": "last", "quantile_over_time": "quantile",
}  # fmt: skip
"""Functions of the points of a range."""

GROWTHS = ("rate", "increase")
"""Functions of what a range has added."""

_FLIPPED = {">=": "<=", "<=": ">=", "==": "==", "!=": "!=", ">": "<", "<": ">"}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": math.fmod, "^": math.pow,
}  # fmt: skip
_ONE = "a rule is one comparison"
_GROUPS = "rules over several series are not carried out yet: write one comparison of the series themselves"
_HISTORY = "needs history that a stream does not keep"


class _Side(NamedTuple):
    """What stands on one side of an operator, and where."""

    is_of: Leaf | float
    at: int


def parse(text: str) -> Comparison:
    """The comparison of a text; raise `ExpressionError` for anything else."""
    try:
        found = spelling.parsable(text)
        tree = parsed(found.parsable)
    except NotPromql as error:
        raise ExpressionError(
            _mistake_at(text, error), f"not PromQL: {' '.join(error.message.split())}"
        ) from error
    except PromqlError as error:
        raise ExpressionError(error.at or 0, error.message) from error
    return _Compiler(found, text).comparison(tree)


class _Compiler:
    """Walks one tree, in the order of its text."""

    def __init__(self, text: Text, written: str) -> None:
        self._text = text
        self._written = written
        self._positions = Positions(text)

    def comparison(self, tree: Any) -> Comparison:
        """The comparison that the tree is."""
        tree = _bare(tree)
        if not isinstance(tree, promql.BinaryExpr) or str(tree.op) not in COMPARISONS:
            self._side(tree)
            raise ExpressionError(len(self._written), f"expected one of {' '.join(COMPARISONS)} and a number")
        left = self._side(tree.lhs)
        sign, at = str(tree.op), self._positions.next_at(str(tree.op))
        if tree.modifier is not None:
            problem = "bool: leave it out; a rule is true where its comparison is"
            raise ExpressionError(
                self._positions.next_at("bool") if tree.modifier.return_bool else at, problem
            )
        right = self._side(tree.rhs)
        if isinstance(left.is_of, float):
            left, right, sign = right, left, _FLIPPED[sign]
        if isinstance(right.is_of, Leaf):
            raise ExpressionError(right.at, f"expected a number: {_GROUPS}")
        if isinstance(left.is_of, float):
            raise ExpressionError(left.at, "expected a metric: both sides are numbers")
        if not math.isfinite(right.is_of):
            raise ExpressionError(right.at, "expected a number that is finite: this one is too large or none")
        return Comparison(spelling.normal(self._text, self._written), left.is_of, sign, right.is_of)

    def _side(self, tree: Any) -> _Side:
        return _SIDES[type(tree)](self, tree)

    def paren(self, tree: promql.ParenExpr) -> _Side:
        """What stands between brackets."""
        return self._side(tree.expr)

    def number(self, tree: promql.NumberLiteral) -> _Side:
        """A number."""
        return _Side(float(tree.val), self._positions.next_at("number"))

    def string(self, _: promql.StringLiteral) -> _Side:
        """A text, which is no value."""
        raise ExpressionError(self._positions.next_at("string"), "expected a metric or a number")

    def negation(self, tree: promql.UnaryExpr) -> _Side:
        """What follows a minus: of a metric, its values times -1."""
        side = self._side(tree.expr)
        if isinstance(side.is_of, Leaf):
            return _Side(_with(side.is_of, Arithmetic("*", -1.0)), side.at)
        return _Side(-side.is_of, side.at)

    def binary(self, tree: promql.BinaryExpr) -> _Side:
        """Numbers are computed at once, a metric with a number at each step; the rest is refused."""
        sign = str(tree.op).lower()
        if sign in ("and", "or", "unless", "atan2"):
            raise ExpressionError(self._positions.next_at(sign), f"{sign}: {_GROUPS}; {_ONE}")
        left = self._side(tree.lhs)
        if sign in COMPARISONS:
            self._positions.next_at(sign)
            self._side(tree.rhs)
            raise ExpressionError(self._positions.next_at(sign), f"expected the end: {_ONE}")
        right = self._side(tree.rhs)
        match left.is_of, right.is_of:
            case float() as one, float() as other:
                return _Side(_computed(sign, one, other), left.at)
            case Leaf() as leaf, float() as number:
                return _Side(_with(leaf, Arithmetic(sign, number)), left.at)
            case float() as number, Leaf() as leaf:
                return _Side(_with(leaf, Arithmetic(sign, number, is_left=True)), right.at)
        raise ExpressionError(right.at, f"expected a number: {_GROUPS}")

    def aggregation(self, tree: promql.AggregateExpr) -> _Side:
        """Series put together, which are not one series."""
        word = str(tree.op).lower()
        at = self._positions.next_at(word)
        if word in ("topk", "bottomk", "limitk", "limit_ratio", "count_values"):
            raise ExpressionError(at, f"{word}: its members change each step, so that no breach lasts")
        raise ExpressionError(at, f"{word}: {_GROUPS}")

    def matrix(self, tree: promql.MatrixSelector) -> _Side:
        """A range that no function is applied to."""
        raise ExpressionError(self._positions.next_at(SELECTOR), "a range stands in a function")

    def subquery(self, _: promql.SubqueryExpr) -> _Side:
        """A range of instants of another expression."""
        raise ExpressionError(self._positions.next_at("["), f"a subquery {_HISTORY}")

    def selector(self, tree: promql.VectorSelector) -> _Side:
        """The last value of each series."""
        at, name, matchers = self._selected(tree)
        found = alias.leaf_of(name, matchers, at) if tree.name else None
        return _Side(found or Leaf(_selector(tree, name, matchers), "last", kinds=POINTS), at)

    def call(self, tree: promql.Call) -> _Side:
        """A function over the windows of a range."""
        name = tree.func.name
        at = self._positions.next_at(name.lower())
        if name not in OVER_TIME and name not in GROWTHS:
            known = ", ".join((*OVER_TIME, *GROWTHS))
            raise ExpressionError(at, f"{name} is not carried out in rules; known are {known}")
        *parameters, matrix = map(_bare, tree.args)
        quantile = self._quantile(parameters[0]) if parameters else None
        if not isinstance(matrix, promql.MatrixSelector):
            return self._side(matrix)
        place, metric, matchers = self._selected(matrix.vector_selector)
        selector = _selector(matrix.vector_selector, metric, matchers)
        range_ms = self._range_ms(lambda: matrix.range, place)
        if name in GROWTHS:
            return _Side(Leaf(selector, "sum", None, range_ms, name == "rate", GROWTH), at)
        return _Side(Leaf(selector, OVER_TIME[name], quantile, range_ms, kinds=POINTS), at)

    def _quantile(self, tree: Any) -> float:
        side = self._side(tree)
        if not isinstance(side.is_of, float) or not 0 <= side.is_of <= 1:
            raise ExpressionError(side.at, "expected a quantile from 0 to 1")
        return side.is_of

    def _range_ms(self, span: Callable[[], timedelta], at: int) -> int:
        try:
            range_ms = round(span() / timedelta(milliseconds=1))
        except (OverflowError, ValueError):
            range_ms = 0
        if not 0 < range_ms <= MAX_WINDOWS * BASE_MS or range_ms % BASE_MS:
            raise ExpressionError(
                at, f"the range must be a multiple of 10s, up to {MAX_WINDOWS} of them: 20m"
            )
        return range_ms

    def _selected(self, tree: promql.VectorSelector) -> tuple[int, str, tuple[Matcher, ...]]:
        """Where a selector stands, its name, and its matchers of labels."""
        at = self._positions.next_at(SELECTOR)
        if tree.matchers.or_matchers:
            raise ExpressionError(
                self._positions.next_at(ALTERNATIVE), "or between matchers: write two rules"
            )
        if tree.at is not None:
            raise ExpressionError(self._positions.next_at("@"), f"@ {_HISTORY}")
        if _has_offset(tree):
            raise ExpressionError(self._positions.next_at("offset"), f"offset {_HISTORY}")
        found = [self._matcher(one, at) for one in tree.matchers.matchers]
        names = [one for one in found if one.label == NAME]
        if tree.name is None and (len(names) != 1 or names[0].is_pattern or names[0].negated):
            raise ExpressionError(at, "name one metric: a rule reads the series of one")
        name = tree.name or names[0].value
        if name in ("ALERTS", "ALERTS_FOR_STATE"):
            raise ExpressionError(at, f"{name}: what holds an alert is said by `clear` in x-tidegauge")
        return at, name, tuple(one for one in found if one.label != NAME)

    def _matcher(self, one: Any, at: int) -> Matcher:
        sign = str(one.op).rpartition(".")[2]
        if sign in ("Equal", "NotEqual"):
            return Matcher(one.name, one.value, negated=sign == "NotEqual")
        pattern = self._text.patterns[int(one.value)]
        try:
            compiled(pattern)
        except BadPattern as error:
            raise ExpressionError(at, f"{one.name}: {error}") from error
        return Matcher(one.name, pattern, is_pattern=True, negated=sign == "NotRe")


_SIDES: dict[type, Callable[[_Compiler, Any], _Side]] = {
    promql.ParenExpr: _Compiler.paren,
    promql.NumberLiteral: _Compiler.number,
    promql.StringLiteral: _Compiler.string,
    promql.UnaryExpr: _Compiler.negation,
    promql.BinaryExpr: _Compiler.binary,
    promql.AggregateExpr: _Compiler.aggregation,
    promql.MatrixSelector: _Compiler.matrix,
    promql.SubqueryExpr: _Compiler.subquery,
    promql.VectorSelector: _Compiler.selector,
    promql.Call: _Compiler.call,
}


def _with(leaf: Leaf, arithmetic: Arithmetic) -> Leaf:
    return replace(leaf, arithmetic=(*leaf.arithmetic, arithmetic))


def _selector(tree: promql.VectorSelector, name: str, matchers: tuple[Matcher, ...]) -> Selector:
    return Selector(name, "bare" if tree.name else "quoted", matchers)


def _mistake_at(text: str, error: NotPromql) -> int:
    """Where it is, as far as that can be found out."""
    if error.at is not None:
        return error.at
    try:
        return mistake_at(text, text_of(text).words)
    except PromqlError:
        return 0


def _computed(sign: str, left: float, right: float) -> float:
    """The number that two give; NaN where there is none."""
    try:
        return float(_ARITHMETIC[sign](left, right))
    except (ValueError, ZeroDivisionError, OverflowError):
        return math.nan


def _has_offset(tree: promql.VectorSelector) -> bool:
    try:
        return tree.offset is not None
    except (OverflowError, ValueError):
        return True


def _bare(tree: Any) -> Any:
    """The tree without brackets around it."""
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    return tree
