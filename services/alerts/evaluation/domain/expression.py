"""The expression of a rule: one comparison of a window's aggregate with a number, as Prometheus would write it.

`level:metric:operation_window OP number`. Columns count from 0. The law: what is not exactly this is refused with the
place of the first word that does not belong.
"""

import re
from dataclasses import dataclass

OPERATIONS = ("max", "min", "sum", "count", "avg", "last")
"""Aggregates of a window beside quantiles, `p50` to `p99.9`."""

COMPARISONS = (">=", "<=", "==", "!=", ">", "<")
"""Comparisons, the longer first."""

WINDOW = "10s"
"""The only resolution."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_:.]*")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PARTS = re.compile(
    r"(?P<level>[A-Za-z][A-Za-z0-9]*):(?P<metric>[A-Za-z_][A-Za-z0-9_]*):(?P<operation>[A-Za-z0-9.]+)_(?P<window>[A-Za-z0-9]+)"
)
_QUANTILE = re.compile(r"p(\d{1,2}(\.\d)?)", re.ASCII)
_BLANK = re.compile(r"[ \t\r\n]*")


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
    def quantile(self) -> float | None:
        """The quantile it takes, 0 to 1; None for the other operations."""
        return float(self.operation[1:]) / 100 if self.operation not in OPERATIONS else None


def parse(text: str) -> Comparison:
    """The comparison of a text; raise `ExpressionError` for anything else."""
    at = _skip(text, 0)
    name = _NAME.match(text, at)
    if name is None:
        raise ExpressionError(at, "expr must begin with level:metric:operation_window")
    parts = _aggregate(name[0], at)
    at = _skip(text, name.end())
    operator = next((sign for sign in COMPARISONS if text.startswith(sign, at)), None)
    if operator is None:
        raise ExpressionError(at, _unexpected(text, at, f"one of {' '.join(COMPARISONS)}"))
    at = _skip(text, at + len(operator))
    number = _NUMBER.match(text, at)
    if number is None:
        raise ExpressionError(at, _unexpected(text, at, "a number"))
    end = _skip(text, number.end())
    if end < len(text):
        raise ExpressionError(end, _unexpected(text, end, "the end: a rule is one comparison"))
    threshold = float(number[0])
    if abs(threshold) == float("inf"):
        raise ExpressionError(at, "the number is too large")
    metric = f"{parts['level']}_{parts['metric']}"
    return Comparison(f"{name[0]} {operator} {number[0]}", metric, parts["operation"], operator, threshold)


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


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _unexpected(text: str, at: int, wanted: str) -> str:
    found = re.match(r"\w+|.", text[at:])
    return f"expected {wanted}, found {found[0]!r}" if found else f"expected {wanted}"
