"""sketch_error: the largest relative error of quantiles and distinct counts.

The error of p50 to p99.9 is taken over six distributions of a million values in a hundred sketches each, and of 2 and 8
values as often as fit, against numpy's interpolated quantiles and the exact number of strings.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figure import Line, say
from deploy.local.stack import Stack
from shared.model import distinct, sketch

PARTS, VALUES = 100, 10_000
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
SMALL = (2, 8)
"""Values of small sketches."""
POSITIVE = ("lognormal", "exponential", "pareto")
"""Distributions without negative values, between which and positive ones no relative error is defined."""
STRINGS = (10, 100, 1_000, 4_096, 10_000, 100_000, 1_000_000)
TRIES = 20
STANDARD = 1.04 / math.sqrt(distinct.REGISTERS)
"""Standard error of a HyperLogLog."""

Values = NDArray[np.float64]


def distributions(chance: np.random.Generator) -> dict[str, Values]:
    """A million values each."""
    size = PARTS * VALUES
    return {
        "uniform": chance.uniform(0, 1000, size),
        "normal": chance.normal(50, 20, size),
        "lognormal": chance.lognormal(3, 1, size),
        "exponential": chance.exponential(200, size),
        "pareto": 1 + chance.pareto(1.2, size),
        "bimodal": np.where(chance.random(size) < 0.9, chance.normal(20, 2, size), chance.normal(2000, 300, size)),
    }  # fmt: skip


async def measure(_: Stack, __: Path) -> list[Line]:
    """The line; it needs no servers."""
    chance = np.random.default_rng(11)
    drawn = distributions(chance)
    errors = {name: _error(values) for name, values in drawn.items()}
    errors |= {f"{size} of {name}": _small_error(drawn[name], size) for name in POSITIVE for size in SMALL}
    spread = {seen: _scatter(seen, chance) for seen in STRINGS}
    for name, error in errors.items():
        say(f"  {name}: {error:.3%} at most")
    for seen, off in spread.items():
        say(f"  {seen:,} strings: {off:.3%} root mean square of {TRIES} tries, standard error {STANDARD:.3%}")
    value, worst = max(errors.values()), max(spread.values())
    conditions = {
        "naive_means": "none: the bound is absolute",
        "errors": {name: round(error, 5) for name, error in errors.items()},
        "distinct_errors": {str(seen): round(off, 5) for seen, off in spread.items()},
        "distinct_standard_error": round(STANDARD, 5),
        "parts": PARTS, "values": PARTS * VALUES,
    }  # fmt: skip
    reached = value <= sketch.ACCURACY * (1 + 1e-9) and worst <= 2 * STANDARD
    goal = f"value <= {sketch.ACCURACY:g}, distinct within 2 standard errors"
    return [
        Line("sketch_error", round(value, 5), "relative error", None, None, goal, reached, None, conditions)
    ]


def _error(values: Values) -> float:
    """Largest relative error of the merge of a hundred sketches."""
    parts = [sketch.merge(sketch.buckets_of(part), np.ones(VALUES)) for part in values.reshape(PARTS, VALUES)]
    whole = sketch.merge(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    bucket, weight = whole
    at, ends = np.array([0, len(bucket)]), (values.min(keepdims=True), values.max(keepdims=True))
    alone = sketch.Sketches(at, bucket, weight, *ends)
    return _off(sketch.quantiles(alone, QUANTILES), np.quantile(values, QUANTILES)[np.newaxis])


def _small_error(values: Values, size: int) -> float:
    """Largest relative error of sketches of so few values."""
    few = values[: size * VALUES].reshape(VALUES, size)
    parts = [sketch.merge(sketch.buckets_of(each), np.ones(size)) for each in few]
    at = np.cumsum([0, *(len(bucket) for bucket, _ in parts)])
    bucket, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    sketches = sketch.Sketches(at, bucket, weight, few.min(axis=1), few.max(axis=1))
    found = sketch.quantiles(sketches, QUANTILES)
    return _off(found, np.quantile(few, QUANTILES, axis=1).T)


def _off(found: Values, exact: Values) -> float:
    return float(np.max(np.abs(found - exact) / np.abs(exact)))


def _scatter(seen: int, chance: np.random.Generator) -> float:
    """Root mean square of the relative errors of estimates of so many strings."""
    found = np.array(
        [
            distinct.estimate(
                distinct.merge(
                    *distinct.entries_of(chance.integers(1, 2**64, seen, np.uint64, endpoint=False))
                )[1]
            )
            for _ in range(TRIES)
        ]
    )
    return float(np.sqrt(np.mean((found / seen - 1) ** 2)))
