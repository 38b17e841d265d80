"""What a query asks for, as a tree: leaves read rows, all else is arithmetic on what they give.

Spans are milliseconds. A node is a scalar, a value at each instant, or a vector, series with a value at some instants.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from services.gateway.query.questions.selection import Selection

Measure = Literal["sum", "count", "buckets", "min", "max", "last", "avg", "quantile", "present"]
"""What is made of the rows of a window."""


@dataclass(frozen=True)
class Leaf:
    """One figure of a metric over a window before each instant."""

    selection: Selection
    measure: Measure
    range_ms: int
    """Length of the window; 0: since 00:00 UTC."""
    offset_ms: int = 0
    """How far before the instant the window ends."""
    name: str = ""
    """What its series are called; empty: they have lost their name."""
    per: Literal["", "second", "range"] = ""
    """Whether a sum is given by second, or for a window of exactly the length that was asked for."""
    bounds: tuple[tuple[str, float], ...] = ()
    """Of `buckets`: upper bounds, as they are written and as numbers."""
    quantile: "Node | None" = None
    """Of `quantile`: which one, a scalar."""
    without: frozenset[str] | None = None
    """Of `quantile`: labels that groups are put together over; None: they stay as they are read."""


@dataclass(frozen=True)
class Figures:
    """The series of a selector: of one figure, of several, or of none."""

    leaves: tuple[Leaf, ...]


@dataclass(frozen=True)
class Number:
    """A scalar that is the same at all instants."""

    value: float


@dataclass(frozen=True)
class String:
    """A text; nothing can be done with it."""

    value: str


@dataclass(frozen=True)
class Time:
    """The instant itself, in seconds."""


@dataclass(frozen=True)
class Call:
    """A function of values."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Absent:
    """1 where a vector has no series."""

    vector: "Node"
    labels: tuple[tuple[str, str], ...]
    """What the one series of the answer bears."""


@dataclass(frozen=True)
class Aggregation:
    """Series put together by their labels."""

    operation: str
    vector: "Node"
    parameter: "Node | None"
    labels: frozenset[str]
    without: bool
    """Whether `labels` are those that are left out."""


@dataclass(frozen=True)
class Matching:
    """Which series of two vectors belong together."""

    labels: frozenset[str]
    on: bool
    """Whether `labels` are those that must be equal; else all others must."""


@dataclass(frozen=True)
class Binary:
    """An operator between two nodes."""

    operator: str
    left: "Node"
    right: "Node"
    matching: Matching
    """Of two vectors."""
    is_bool: bool = False
    """Of a comparison: give 0 and 1 in place of filtering."""


Node = Leaf | Figures | Number | String | Time | Call | Absent | Aggregation | Binary


def is_scalar(node: Node) -> bool:
    """Whether it has one value at each instant, and no series."""
    if isinstance(node, Call):
        return node.function == "scalar" or (node.function == "negate" and is_scalar(node.arguments[0]))
    if isinstance(node, Binary):
        return is_scalar(node.left) and is_scalar(node.right)
    return isinstance(node, Number | Time)


def leaves(node: Node) -> Iterator[Leaf]:
    """All leaves of a tree."""
    if isinstance(node, Leaf):
        yield node
    for field in fields(node):
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield from leaves(child)
