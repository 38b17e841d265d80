"""What a dashboard is made of, whoever draws it.

A query is PromQL, asked of Tidegauge itself or of the Prometheus that reads the services' own metrics, or SQL, asked
as a reader. `RATE` is a span that whoever draws chooses by the step, `RANGE` the whole span shown.
"""

from dataclasses import dataclass
from typing import Literal

RATE = "$__rate_interval"
RANGE = "$__range"

Source = Literal["tidegauge", "services", "sql"]
Kind = Literal["lines", "figure", "bars", "table"]
Unit = Literal["s", "ms", "share", "per second", "per minute", "bytes per second", "number"]

GOOD, FAIR, POOR = "#8494a4", "#c77700", "#8a1538"
"""Quiet where all is well: colour means that something needs somebody."""


@dataclass(frozen=True)
class Query:
    """One question of a panel."""

    text: str
    legend: str = ""
    """Labels in double braces; empty: all labels."""


@dataclass(frozen=True)
class Panel:
    """One chart or figure."""

    title: str
    says: str
    """What it shows, in a sentence."""
    queries: tuple[Query, ...]
    unit: Unit = "number"
    kind: Kind = "lines"
    source: Source = "tidegauge"
    limits: tuple[float, float] | None = None
    """Above these it is fair, and poor."""
    width: int = 12
    """Of 24 columns."""
    is_stacked: bool = False

    @property
    def height(self) -> int:
        """In rows."""
        return 4 if self.kind == "figure" else 8


@dataclass(frozen=True)
class Variable:
    """A choice above the panels: the values of a label."""

    name: str
    label: str
    of: str
    """A selector whose series have it."""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels, in the order in which they are read."""

    name: str
    title: str
    answers: str
    """The question that it answers."""
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()


def figure(title: str, says: str, query: str, unit: Unit, limits: tuple[float, float] | None = None) -> Panel:
    """One number, a sixth of the page wide."""
    return Panel(title, says, (Query(query),), unit, "figure", limits=limits, width=4)


def placed(panels: tuple[Panel, ...]) -> list[tuple[int, int, Panel]]:
    """Column and row of each panel: side by side as long as there is room."""
    found: list[tuple[int, int, Panel]] = []
    column = row = below = 0
    for panel in panels:
        if column + panel.width > 24:
            column, row = 0, below
        found.append((column, row, panel))
        column += panel.width
        below = max(below, row + panel.height)
    return found
