"""Values of windows and their comparison with a threshold, a rule at a time over all rows.

Shapes are (n,) for n rows. Invariant: a NaN never breaches, and a comparison is strict exactly when it is written so.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.alerts.domain.transition import BREACH, CLEAR
from services.alerts.evaluation.domain.alert import BAND, NONE
from shared.alerts.rules.model import Rule
from shared.alerts.rules.plan import Comparison, Leaf
from shared.model import sketch
from shared.model.rollup import NEVER_MS, Rollups, sketches_of

Floats = NDArray[np.float64]

_COMPARE: Mapping[str, Callable[[Floats, float], NDArray[np.bool_]]] = {
    ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_COMPUTE: Mapping[str, Any] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power,
}  # fmt: skip


def values(comparison: Comparison, rows: Rollups, chosen: NDArray[np.intp]) -> Floats:
    """The aggregate of each chosen row; NaN where the row has none."""
    leaf = comparison.leaf
    found = _found(leaf, rows, chosen)
    if leaf.per_second:
        found = found / (leaf.range_ms / 1000)
    with np.errstate(all="ignore"):
        for each in leaf.arithmetic:
            sides = (each.number, found) if each.is_left else (found, each.number)
            found = _COMPUTE[each.operator](*sides)
    finite: Floats = np.where(np.isfinite(found), found, np.nan)
    return finite


def _found(leaf: Leaf, rows: Rollups, chosen: NDArray[np.intp]) -> Floats:
    if leaf.quantile is not None:
        return sketch.quantiles(sketches_of(rows, chosen), (leaf.quantile,))[:, 0]
    if leaf.operation == "avg":
        count = rows.count[chosen]
        average: Floats = np.full(len(chosen), np.nan)
        np.divide(rows.sum[chosen], count, out=average, where=count > 0)
        return average
    found: Floats = getattr(rows, leaf.operation)[chosen]
    if leaf.operation == "last":
        found = np.where(rows.last_ms[chosen] > NEVER_MS, found, np.nan)
    return found


def outcomes(rule: Rule, rows: Rollups, chosen: NDArray[np.intp], found: Floats) -> NDArray[np.object_]:
    """What each chosen row means to the rule: `breach`, `clear`, `band`, or `none` where too few points came."""
    over = breaches(rule.comparison, found)
    under = ~over if rule.clear is None else breaches(rule.clear, found) & ~over
    meaning = np.where(over, BREACH, np.where(under, CLEAR, BAND)).astype(object)
    if rule.min_samples:
        # Where samples are not known, as in rows of a version before, weights stand for them.
        samples = np.where(np.isnan(rows.samples[chosen]), rows.count[chosen], rows.samples[chosen])
        meaning[samples < rule.min_samples] = NONE
    return meaning


def breaches(comparison: Comparison, found: Floats) -> NDArray[np.bool_]:
    """Which values are beyond the threshold."""
    known: Any = ~np.isnan(found)
    return np.asarray(_COMPARE[comparison.operator](found, comparison.threshold) & known)
