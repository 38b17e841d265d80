"""A query as others show it: its tree in the JSON of Prometheus, and its text in the usual form.

Spans are milliseconds. All of PromQL that the parser reads is shown, not only what is answered.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import promql_parser as promql

from services.gateway.query.prometheus.errors import bad_data
from services.gateway.query.prometheus.language.reading import parsed, text_of

_CARDS = {
    "OneToOne": "one-to-one",
    "ManyToOne": "many-to-one",
    "OneToMany": "one-to-many",
    "ManyToMany": "many-to-many",
}
_MARKS = "\ue000\ue001"
_SIGNS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def shown(query: str) -> dict[str, Any]:
    """The tree; raise `QueryError` where the query is no PromQL."""
    text = text_of(query)
    found: dict[str, Any] = _Tree(text.patterns).of(parsed(text.parsable))
    return found


def formatted(query: str) -> str:
    """The text in the usual form; raise `QueryError` where the query is no PromQL."""
    if any(sign in query for sign in _MARKS):
        raise bad_data('invalid parameter "query": holds signs of a private use area')
    text = text_of(query, _mark)
    pretty: str = parsed(text.parsable).prettify()
    for number, pattern in enumerate(text.patterns):
        pretty = pretty.replace(f'"{_mark(number)}"', json.dumps(pattern, ensure_ascii=False))
    return pretty


def _mark(number: int) -> str:
    """What nobody writes, in place of a regular expression."""
    return f"{_MARKS[0]}{number}{_MARKS[1]}"


class _Tree:
    """Shows the trees of one query."""

    def __init__(self, patterns: list[str]) -> None:
        self._patterns = patterns

    def of(self, tree: Any) -> Any:
        """The JSON of a part, null for none."""
        return None if tree is None else _SHOWN[type(tree)](self, tree)

    def aggregation(self, tree: promql.AggregateExpr) -> Any:
        """Series put together."""
        modifier = tree.modifier
        return {
            "type": "aggregation", "op": str(tree.op), "expr": self.of(tree.expr), "param": self.of(tree.param),
            "grouping": modifier.labels if modifier else [],
            "without": modifier is not None and modifier.type == promql.AggModifierType.Without,
        }  # fmt: skip

    def binary(self, tree: promql.BinaryExpr) -> Any:
        """An operator between two."""
        return {
            "type": "binaryExpr", "op": str(tree.op), "lhs": self.of(tree.lhs), "rhs": self.of(tree.rhs),
            "matching": _matching(tree), "bool": bool(tree.modifier and tree.modifier.return_bool),
        }  # fmt: skip

    def call(self, tree: promql.Call) -> Any:
        """A function."""
        function = tree.func
        return {
            "type": "call",
            "func": {
                "name": function.name, "argTypes": [_type(each) for each in function.arg_types],
                "variadic": function.variadic, "returnType": _type(function.return_type),
            },
            "args": [self.of(each) for each in tree.args],
        }  # fmt: skip

    def matrix(self, tree: promql.MatrixSelector) -> Any:
        """A range."""
        return self._selector("matrixSelector", tree.vector_selector) | {"range": _ms(lambda: tree.range)}

    def vector(self, tree: promql.VectorSelector) -> Any:
        """Series."""
        return self._selector("vectorSelector", tree)

    def subquery(self, tree: promql.SubqueryExpr) -> Any:
        """A range of instants of another query."""
        return {
            "type": "subquery", "expr": self.of(tree.expr), "range": _ms(lambda: tree.range),
            "offset": _ms(lambda: tree.offset), "step": _ms(lambda: tree.step), **_at(tree.at),
        }  # fmt: skip

    def number(self, tree: promql.NumberLiteral) -> Any:
        """A number."""
        return {"type": "numberLiteral", "val": str(tree)}

    def string(self, tree: promql.StringLiteral) -> Any:
        """A text."""
        return {"type": "stringLiteral", "val": tree.val}

    def paren(self, tree: promql.ParenExpr) -> Any:
        """What stands between brackets."""
        return {"type": "parenExpr", "expr": self.of(tree.expr)}

    def unary(self, tree: promql.UnaryExpr) -> Any:
        """What follows a minus."""
        return {"type": "unaryExpr", "op": "-", "expr": self.of(tree.expr)}

    def _selector(self, kind: str, tree: promql.VectorSelector) -> dict[str, Any]:
        named = [{"name": "__name__", "value": tree.name, "type": "="}] if tree.name else []
        return {
            "type": kind, "name": tree.name or "", "offset": _ms(lambda: tree.offset),
            "matchers": [*map(self._matcher, tree.matchers.matchers), *named], **_at(tree.at),
        }  # fmt: skip

    def _matcher(self, matcher: promql.Matcher) -> dict[str, str]:
        sign = _SIGNS[_word(matcher.op)]
        value = self._patterns[int(matcher.value)] if "~" in sign else matcher.value
        return {"name": matcher.name, "value": value, "type": sign}


_SHOWN: dict[type, Callable[[_Tree, Any], Any]] = {
    promql.AggregateExpr: _Tree.aggregation,
    promql.BinaryExpr: _Tree.binary,
    promql.Call: _Tree.call,
    promql.MatrixSelector: _Tree.matrix,
    promql.VectorSelector: _Tree.vector,
    promql.SubqueryExpr: _Tree.subquery,
    promql.NumberLiteral: _Tree.number,
    promql.StringLiteral: _Tree.string,
    promql.ParenExpr: _Tree.paren,
    promql.UnaryExpr: _Tree.unary,
}


def _matching(tree: promql.BinaryExpr) -> Any:
    """How the series of two vectors are matched, null beside a scalar."""
    if any(_is_scalar(each) for each in (tree.lhs, tree.rhs)):
        return None
    modifier = tree.modifier
    matching = modifier.matching if modifier else None
    card = _word(modifier.card) if modifier else "OneToOne"
    return {
        "card": _CARDS[card], "labels": matching.labels if matching else [],
        "on": matching is not None and matching.type == promql.LabelModifierType.Include,
        "include": (modifier.group_labels if modifier else None) or [],
    }  # fmt: skip


def _is_scalar(tree: Any) -> bool:
    match tree:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_scalar(tree.expr)
        case promql.BinaryExpr():
            return _is_scalar(tree.lhs) and _is_scalar(tree.rhs)
        case promql.Call():
            return _word(tree.func.return_type) == "Scalar"
    return False


def _at(modifier: Any) -> dict[str, Any]:
    """The instant of `@`, read off its words: promql-parser cannot show every one."""
    word = _word(modifier.type) if modifier else ""
    timestamp = round(float(str(modifier).removeprefix("@")) * 1000) if word == "At" else None
    return {"timestamp": timestamp, "startOrEnd": word.lower() if word in {"Start", "End"} else None}


def _ms(span: Callable[[], timedelta | None]) -> int:
    try:
        return round((span() or timedelta()) / timedelta(milliseconds=1))
    except (OverflowError, ValueError) as error:
        raise bad_data('invalid parameter "query": a duration is out of range') from error


def _word(value: Any) -> str:
    return str(value).rpartition(".")[2]


def _type(value: Any) -> str:
    return _word(value).lower()
