"""Functions of values, at every instant by itself.

What becomes of NaN is as in Prometheus. A function leaves no name, but sorting, which is a matter of the answer.
"""

from collections.abc import Callable, Sequence

import numpy as np

from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector, without_names
from shared.model.rollup import Floats

Parameters = Sequence[Scalar]


def _round(values: Floats, to: Scalar | float = 1.0) -> Floats:
    """Half up, as Prometheus rounds: by the inverse, which is exact for powers of ten below one."""
    inverse = 1.0 / to
    return np.asarray(np.floor(values * inverse + 0.5) / inverse)


def _clamp(values: Floats, low: Scalar, high: Scalar) -> Floats:
    return np.maximum(low, np.minimum(high, values))


_VALUES: dict[str, Callable[..., Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "round": _round,
    "clamp": _clamp,
    "clamp_min": lambda values, low: np.maximum(low, values),
    "clamp_max": lambda values, high: np.minimum(high, values),
    "negate": np.negative,
}
"""Functions that change each value."""


def applied(function: str, vector: Vector, parameters: Parameters) -> Vector:
    """A function of each value; sorting is for the answer, and keeps all as it is."""
    if function in {"sort", "sort_desc"}:
        return vector
    values = _VALUES[function](vector.values, *parameters)
    present = vector.present
    if function == "clamp":
        present = present & (parameters[0] <= parameters[1])
    return without_names(vector.with_values(values, present))


def scalar_of(vector: Vector) -> Scalar:
    """The value of the only series, NaN where there is none or more than one."""
    alone = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return np.where(alone, values, np.nan)
