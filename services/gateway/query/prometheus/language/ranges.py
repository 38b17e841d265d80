"""Which figure a function gives of which kind of metric: the table that says what is answered, and why the rest is not.

A function over a range looks at the points themselves. Only `rate` and `increase`, which undo a running total, are
asked of counts and sums; a level has no rate.
"""

from typing import Literal, NamedTuple

from services.gateway.query.prometheus.language.plan import Measure

LOOK_BACK_MS = 300_000
"""How old the last point of a gauge may be."""

ADDED: dict[str, Measure] = {"": "sum", "_sum": "sum", "_count": "count", "_bucket": "buckets"}
"""What is added up, by figure."""

EXTREMES: dict[str, Measure] = {"_min": "min", "_max": "max"}

OVER_TIME: dict[str, Measure] = {
    "avg_over_time": "avg",
    "min_over_time": "min",
    "max_over_time": "max",
    "sum_over_time": "sum",
    "count_over_time": "count",
    "last_over_time": "last",
    "quantile_over_time": "quantile",
    "present_over_time": "present",
}
"""Functions over the points of a range."""

Per = Literal["", "second", "range"]

AS_IT_IS: Per = ""

COUNTERS: dict[str, Per] = {"rate": "second", "increase": "range"}
"""Functions over the growth of a running total, and what they give it per."""


class Meaning(NamedTuple):
    """What a figure of a metric gives."""

    measure: Measure
    range_ms: int
    """0: since 00:00 UTC."""


def at_instant(kind: str, suffix: str) -> Meaning | str:
    """What a selector without a range gives; a text: why it gives nothing."""
    if suffix in EXTREMES:
        return Meaning(EXTREMES[suffix], LOOK_BACK_MS)
    if suffix == "" and kind == "gauge":
        return Meaning("last", LOOK_BACK_MS)
    if suffix == "" and kind == "histogram":
        return "is a histogram: ask for its _count, _sum or _bucket"
    return Meaning(ADDED[suffix], 0)


def over_range(function: str, kind: str, suffix: str, range_ms: int) -> Meaning | str:
    """What a function over a range gives; a text: why it gives nothing."""
    if function in COUNTERS:
        return _growth(function, kind, suffix, range_ms)
    measure = OVER_TIME[function]
    if measure == "present" or EXTREMES.get(suffix) == measure:
        return Meaning(measure, range_ms)
    if suffix:
        return f"is a figure of its windows, and {function} looks at points: give it the metric itself"
    if kind == "cumulative":
        return (
            f"is a running total, whose points are not kept: {function} cannot be told, rate and increase can"
        )
    if kind == "histogram" and measure == "last":
        return "is a histogram, which has no last point"
    return Meaning(measure, range_ms)


def _growth(function: str, kind: str, suffix: str, range_ms: int) -> Meaning | str:
    if suffix in EXTREMES:
        return f"is no running total, which {function} is of"
    if suffix == "" and kind == "gauge":
        return (
            f"is a gauge, and {function} is of running totals: ask for its _count or _sum, or avg_over_time"
        )
    if suffix == "" and kind == "histogram":
        return "is a histogram: ask for its _count, _sum or _bucket"
    return Meaning(ADDED[suffix], range_ms)
