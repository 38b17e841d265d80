"""The figures of rows that a question may ask for, as columns with one value a row. Pure.

`rate` is per second: of what was counted, or, for running totals, of what they grew by. A figure of nothing is NaN.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.gateway.query.questions.figures.intervals import intervals
from shared.errors import Rejected
from shared.model import distinct, sketch
from shared.model.rollup import NEVER_MS, Floats, Rollups, sketches_of

PLAIN = ("count", "rate", "sum", "avg", "min", "max", "last", "uniques", "histogram")
"""Aggregates without a parameter."""

ZERO = frozenset({"count", "rate", "sum"})
"""Those that are 0 in a complete window without rows."""

_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)")
_SHARE = re.compile(r"share\(([^=()]+)=([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    """As it was asked for, and as it is answered."""
    quantile: float | None = None
    """Of `pNN`, 0 to 1."""
    share: tuple[str, str] | None = None
    """Of `share(label=value)`."""

    @property
    def needs_sketch(self) -> bool:
        """Whether it is made of sketches; extremes are where something was taken back."""
        return self.quantile is not None or self.name in {"histogram", "min", "max"}

    @property
    def is_ranked(self) -> bool:
        """Whether groups can be put in an order by it."""
        return self.name != "histogram"


def parsed(text: str) -> Figure:
    """The aggregate of a name; raise `Rejected` for one that there is not."""
    if text in PLAIN:
        return Figure(text)
    if found := _QUANTILE.fullmatch(text):
        return Figure(text, quantile=float(found[1]) / 100)
    if found := _SHARE.fullmatch(text):
        return Figure(text, share=(found[1], found[2]))
    raise Rejected(
        "unknown_aggregate",
        f"aggregates: {text[:64]!a} is none of {', '.join(PLAIN)}, pNN such as p95, share(label=value)",
    )


def values(asked: Figure, rows: Rollups, seconds: Floats, kind: str) -> Floats:
    """A column of plain figures; quantiles come from `quantile_columns`."""
    if asked.name == "rate":
        return (rows.sum if kind == "cumulative" else rows.count) / seconds
    return _FIGURES[asked.name](rows)


def quantile_columns(rows: Rollups, asked: Sequence[Figure]) -> dict[str, Floats]:
    """The columns of all quantiles, and their `_low` and `_high` ends."""
    wanted = [one for one in asked if one.quantile is not None]
    found = sketch.quantiles(sketches_of(rows, np.arange(len(rows))), [one.quantile or 0.0 for one in wanted])
    columns = {one.name: found[:, place] for place, one in enumerate(wanted)}
    for one in wanted:
        columns[f"{one.name}_low"], columns[f"{one.name}_high"] = intervals(rows, one.quantile or 0.0)
    return columns


def histograms(rows: Rollups) -> list[list[tuple[float, float]]]:
    """Of each row, the value that stands for each bucket, within 1 %, and its weight, ascending."""
    value = sketch.values_of(rows.bucket).tolist()
    pairs = list(zip(value, rows.weight.tolist(), strict=True))
    return [pairs[begin:end] for begin, end in pairwise(rows.sketch_at.tolist())]


def _average(rows: Rollups) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rows.count > 0, rows.sum / rows.count, np.nan)


def _uniques(rows: Rollups) -> Floats:
    found = [distinct.estimate(rows.rank[begin:end]) for begin, end in pairwise(rows.distinct_at.tolist())]
    return np.array([round(each) for each in found], np.float64)


def _finite(column: Floats) -> Floats:
    return np.where(np.isfinite(column), column, np.nan)


_FIGURES: dict[str, Callable[[Rollups], Floats]] = {
    "count": lambda rows: rows.count,
    "sum": lambda rows: rows.sum,
    "avg": _average,
    "min": lambda rows: _finite(rows.min),
    "max": lambda rows: _finite(rows.max),
    "last": lambda rows: np.where(rows.last_ms > NEVER_MS, rows.last, np.nan),
    "uniques": _uniques,
}
