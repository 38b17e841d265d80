"""The expression of a rule: one comparison of a window's aggregate with a number, in PromQL.

`level:metric:operation_window OP number`. promql-parser reads it; since it gives no places, a table of the three words
that an expression has says where a mistake stands. Columns count from 0. Invariant: what is not exactly this is refused
at the first word that does not belong, and what is accepted means what PromQL says.
"""

import re
from dataclasses import dataclass

from promql_parser import BinaryExpr, NumberLiteral, VectorSelector
from promql_parser import parse as parse_promql

OPERATIONS = ("max", "min", "sum", "count", "avg", "last")
"""Aggregates of a window beside quantiles, `p50` to `p99.9`."""

COMPARISONS = (">=", "<=", "==", "!=", ">", "<")
"""Comparisons, the longer first."""

WINDOW = "10s"
"""The only resolution."""

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_:.]*)"
    r"|(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<comparison>[<>]=?|[=!]=)"
    r"|[^ \t\r\n]"
)
_PARTS = re.compile(
    r"(?P<level>[A-Za-z][A-Za-z0-9]*):(?P<metric>[A-Za-z_][A-Za-z0-9_]*):(?P<operation>[A-Za-z0-9.]+)_(?P<window>[A-Za-z0-9]+)"
)
_WORDS = 3
"""Name, comparison and number."""

_QUANTILE = re.compile(r"p(\d{1,2}(\.\d)?)", re.ASCII)


class ExpressionError(Exception):
    """Something in a text that does not belong there."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


@dataclass(frozen=True, slots=True)
class Comparison:
    """One aggregate of a window compared with a number."""

    text: str
    """As it was written, blanks normalised."""
    metric: str
    """Name of the metrics it reads, every sign but letters, digits and `_` replaced by `_`."""
    operation: str
    """One of `OPERATIONS`, or `p` and a percentage."""
    operator: str
    """One of `COMPARISONS`."""
    threshold: float
    """The number."""

    @property
    def live(self) -> bool:
        """Whether a live window may decide: more points cannot undo a maximum or a count above a bound."""
        return self.operation in ("max", "count") and self.operator in (">", ">=")

    @property
    def read(self) -> str:
        """What is compared, as it was written."""
        return self.text.split(" ", 1)[0]

    def reads_as(self, other: "Comparison") -> bool:
        """Whether both compare the same."""
        return (self.metric, self.operation) == (other.metric, other.operation)

    @property
    def quantile(self) -> float | None:
        """The quantile it takes, 0 to 1; None for the other operations."""
        return float(self.operation[1:]) / 100 if self.operation not in OPERATIONS else None


def parse(text: str) -> Comparison:
    """The comparison of a text; raise `ExpressionError` for anything else."""
    tokens = list(_TOKEN.finditer(text))
    name = _expected(text, tokens, 0, "name", "expr must begin with level:metric:operation_window")
    parts = _aggregate(name[0], name.start())
    operator = _expected(text, tokens, 1, "comparison", f"expected one of {' '.join(COMPARISONS)}")
    number = _expected(text, tokens, 2, "number", "expected a number")
    if len(tokens) > _WORDS:
        end = tokens[_WORDS].start()
        raise ExpressionError(end, _found(text, end, "expected the end: a rule is one comparison"))
    if abs(float(number[0])) == float("inf"):
        raise ExpressionError(number.start(), "the number is too large")
    sign, threshold = _read(name[0], operator[0], float(number[0]))
    metric = f"{parts['level']}_{parts['metric']}"
    return Comparison(f"{name[0]} {sign} {number[0]}", metric, parts["operation"], sign, threshold)


def _expected(text: str, tokens: list[re.Match[str]], place: int, kind: str, message: str) -> re.Match[str]:
    """The token at a place, of a kind."""
    if place >= len(tokens):
        raise ExpressionError(len(text), message)
    token = tokens[place]
    if token.lastgroup != kind:
        raise ExpressionError(token.start(), message if place == 0 else _found(text, token.start(), message))
    return token


def _read(name: str, operator: str, number: float) -> tuple[str, float]:
    """The comparison and the threshold as PromQL has them.

    The name is quoted, because a bare one has no dots (`p99.9`); the number is written without leading zeros, which
    PromQL takes for octal.
    """
    match parse_promql(f'{{"{name}"}} {operator} {number!r}'):
        case BinaryExpr(op=op, lhs=VectorSelector(), rhs=NumberLiteral(val=threshold), modifier=None):
            return str(op), threshold
        case other:
            raise AssertionError(f"{name} {operator} {number!r} became {other!r}")


def _aggregate(name: str, at: int) -> dict[str, str]:
    found = _PARTS.fullmatch(name)
    if found is None:
        raise ExpressionError(at, f"{name} is not level:metric:operation_window")
    operation = found["operation"]
    if operation not in OPERATIONS and not _QUANTILE.fullmatch(operation):
        known = ", ".join(OPERATIONS)
        raise ExpressionError(
            at + found.start("operation"), f"{operation} is not one of {known} or p and a percentage"
        )
    if found["window"] != WINDOW:
        raise ExpressionError(at + found.start("window"), f"windows are {WINDOW} long, not {found['window']}")
    return found.groupdict()


def _found(text: str, at: int, message: str) -> str:
    found = re.match(r"\w+|.", text[at:])
    return f"{message}, found {found[0]!r}" if found else message
