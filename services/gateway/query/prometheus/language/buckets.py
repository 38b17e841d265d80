"""Buckets that no client has counted: `x_bucket` is made of sketches, and a quantile of it is the sketch's own.

A bound counts what lies at or below it, within the 1 % that a sketch is exact to. Without a matcher on `le` there are
three bounds a decade.
"""

import math
from dataclasses import replace

from services.gateway.query.prometheus.errors import execution
from services.gateway.query.prometheus.language.plan import Aggregation, Call, Leaf, Node, leaves
from services.gateway.query.questions.selection import Matcher
from shared.promql.errors import Place

Bounds = tuple[tuple[str, float], ...]
"""Upper bounds, as they are written and as numbers."""

NONE: Bounds = ()

LE = "le"
"""The label of a bucket's upper bound."""

_DECADES = range(-3, 7)

LADDER = (
    *(f"{digits * 10.0**decade:.6g}" for decade in _DECADES for digits in (1, 2.5, 5)),
    "+Inf",
)
"""Bounds where none is asked for, from 0.001 to 5,000,000."""


def bounds_of(matchers: tuple[Matcher, ...]) -> tuple[tuple[Matcher, ...], Bounds]:
    """The matchers that are not about bounds, and the bounds that those others leave."""
    about = [one for one in matchers if one.label == LE]
    others = tuple(one for one in matchers if one.label != LE)
    exact = [one.values[0] for one in about if one.operator == "=" and not one.negated]
    kept = [text for text in exact or LADDER if all(one.matches({LE: text}) for one in about)]
    found = {text: number_of(text) for text in kept}
    return others, tuple((text, bound) for text, bound in found.items() if bound is not None)


def number_of(text: str) -> float | None:
    """The bound that a text says; None: it says none."""
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def quantile(q: Node, vector: Node, place: Place) -> Node:
    """The quantile of a vector of buckets: of the sketches where the buckets are ours, else of what the vector says."""
    match vector:
        case Leaf(measure="buckets"):
            return _of_sketch(vector, q, None, place)
        case Aggregation("sum", Leaf(measure="buckets") as leaf, None, labels, True) if LE not in labels:
            return _of_sketch(leaf, q, labels, place)
        case Aggregation("sum", Leaf(measure="buckets")):
            raise execution("histogram_quantile() needs le: sum by (le, …)", place)
    if any(leaf.measure == "buckets" for leaf in leaves(vector)):
        raise execution(
            "histogram_quantile() takes rate(x_bucket[d]), x_bucket, or a sum of them by le", place
        )
    return Call("histogram_quantile", (q, vector))


def _of_sketch(leaf: Leaf, q: Node, without: frozenset[str] | None, place: Place) -> Leaf:
    if tuple(text for text, _ in leaf.bounds) != LADDER:
        raise execution("histogram_quantile() takes all buckets: leave out the matcher on le", place)
    return replace(leaf, measure="quantile", quantile=q, bounds=(), without=without, name="", per="")
