"""Quantiles of sketches are those of numpy: of few values and many, weighted, taken back, of all signs.

`TIDEGAUGE_CASES=100000` for more of them, `TIDEGAUGE_SEED` for others. A case is a sketch and a quantile; all are asked
at once, as services ask.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.model import sketch

CASES = int(os.environ.get("TIDEGAUGE_CASES", "20000"))
SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
SIZES = (1, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9, 16, 40, 200)
QUANTILES = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
SLACK = 1 + 1e-6
"""Rounding of logarithms at the edges of buckets."""

Floats = NDArray[np.float64]


class Case(NamedTuple):
    """Values, ascending, with their weights."""

    values: Floats
    weights: Floats


def drawn_values(chance: np.random.Generator) -> Floats:
    """Values of any scale and sign, some equal, some zero."""
    size = int(chance.choice(SIZES))
    values = chance.lognormal(chance.uniform(-20, 20), chance.uniform(0, 3), size)
    signs = chance.choice([-1.0, 0.0, 1.0], size, p=chance.choice([(0, 0, 1), (1, 0, 0), (0.3, 0.2, 0.5)]))
    values = np.sort(values * signs)
    return chance.choice(values, size) if chance.random() < 0.2 else values


def drawn_cases(weigh: Callable[[np.random.Generator, int], Floats]) -> list[Case]:
    """As many cases as are wanted."""
    chance = np.random.default_rng(SEED)
    found = []
    for _ in range(CASES // len(QUANTILES) + 1):
        values = np.sort(drawn_values(chance))
        found.append(Case(values, weigh(chance, len(values))))
    return found


def sketches_of(
    cases: Sequence[Case], bounds: Sequence[tuple[float, float]] | None = None
) -> sketch.Sketches:
    """Their sketches with their extremes."""
    merged = [sketch.merge(sketch.buckets_of(case.values), case.weights) for case in cases]
    low, high = zip(*(bounds or [(case.values[0], case.values[-1]) for case in cases]), strict=True)
    return sketch.Sketches(
        np.cumsum([0, *(len(bucket) for bucket, _ in merged)]),
        *(np.concatenate(column) for column in zip(*merged, strict=True)),
        np.array(low), np.array(high),
    )  # fmt: skip


def misses(found: Floats, expected: Iterator[tuple[float, float]]) -> list[tuple[int, float, float]]:
    """The cases that are further from the exact value than the magnitude beside it allows."""
    exact, size = np.array(list(expected)).T
    off = np.abs(found.ravel() - exact) > size * sketch.ACCURACY * SLACK
    return [(n, float(found.flat[n]), float(exact[n])) for n in np.flatnonzero(off)[:5]]


def of_copies(case: Case) -> Iterator[tuple[float, float]]:
    """Each quantile as numpy has it of so many copies, and the share of magnitudes that may be missed."""
    copies = np.repeat(case.values, case.weights.astype(np.int64))
    sizes = np.abs(copies)
    for exact, q in zip(np.quantile(copies, QUANTILES), QUANTILES, strict=True):
        place = q * (len(copies) - 1)
        low, high = sizes[int(place)], sizes[min(int(place) + 1, len(copies) - 1)]
        yield float(exact), float(low + (high - low) * (place - int(place)))


def of_steps(case: Case) -> Iterator[tuple[float, float]]:
    """Each quantile as the mean of what lies between two ranks, by the definition, value by value.

    Twice the share may be missed: the smallest and the largest value have a whole step, however small their weight.
    """
    buckets = len(np.unique(sketch.buckets_of(case.values)))
    total = float(case.weights.sum())
    step = min(1.0, total / buckets)
    ends = np.cumsum(case.weights)
    for q in QUANTILES:
        since = q * (total - step)
        share = np.minimum(ends, since + step) - np.maximum(ends - case.weights, since)
        share = np.maximum(share, 0.0)
        weights = share / share.sum()
        yield float(weights @ case.values), float(2 * weights @ np.abs(case.values))


def ones(_: np.random.Generator, size: int) -> Floats:
    """No weights."""
    return np.ones(size)


def copies(chance: np.random.Generator, size: int) -> Floats:
    """Whole weights."""
    return chance.integers(1, 6, size).astype(np.float64)


def parts(chance: np.random.Generator, size: int) -> Floats:
    """Weights of any size."""
    return chance.choice([0.25, 0.5, 1.0, 1.5, 2.75, 10.0, 1e4], size)


@pytest.mark.parametrize(
    ("weigh", "oracle"), [(ones, of_copies), (copies, of_copies), (parts, of_steps)],
    ids=["unweighted", "whole weights", "any weights"],
)  # fmt: skip
def test_quantiles_are_those_of_numpy(
    weigh: Callable[[np.random.Generator, int], Floats],
    oracle: Callable[[Case], Iterator[tuple[float, float]]],
) -> None:
    """Within one percent, and within the smallest and the largest value; a weight stands for so many values."""
    cases = drawn_cases(weigh)
    sketches = sketches_of(cases)

    found = sketch.quantiles(sketches, QUANTILES)

    assert [] == misses(found, (one for case in cases for one in oracle(case)))
    assert (found >= sketches.low[:, np.newaxis]).all()
    assert (found <= sketches.high[:, np.newaxis]).all()
    # To the rounding of a mean.
    assert (np.diff(found, axis=1) >= -1e-12 * np.abs(found[:, 1:])).all()


def test_what_was_taken_back_leaves_the_quantiles_of_the_rest() -> None:
    """Within one percent, though the row knows but bounds of its extremes then."""
    chance = np.random.default_rng(SEED)
    cases, rest = drawn_cases(copies), []
    taken = []
    for case in cases:
        back = chance.integers(0, case.weights + 1)
        back[chance.integers(0, len(back))] = 0
        taken.append(
            Case(
                np.concatenate((case.values, case.values)),
                np.concatenate((case.weights, -back.astype(float))),
            )
        )
        rest.append(Case(case.values, case.weights - back))
    sketches = sketches_of(taken, [(0.0, 0.0)] * len(taken))
    low, high = sketch.extremes(sketches.at, sketches.bucket, sketches.weight)

    found = sketch.quantiles(sketches._replace(low=low, high=high), QUANTILES)

    assert [] == misses(found, (one for case in rest for one in of_copies(case)))


def test_weights_below_one_that_are_all_equal_weigh_nothing() -> None:
    """Ten values of weight 0.1 have the quantiles of ten values: to the rounding of ranks, which values scale."""
    cases = [
        case
        for case in drawn_cases(ones)
        if len(np.unique(sketch.buckets_of(case.values))) == len(case.values)
    ]
    scaled = [Case(case.values, case.weights / 8) for case in cases]

    found = sketch.quantiles(sketches_of(scaled), QUANTILES)

    expected = sketch.quantiles(sketches_of(cases), QUANTILES)
    largest = np.array([np.abs(case.values).max() for case in cases])[:, np.newaxis]
    assert (np.abs(found - expected) <= 1e-9 * largest).all()


def test_neighbours_change_no_bit_of_a_quantile() -> None:
    """A row has the same figures in a message of a thousand rows as alone: a replay may divide them otherwise."""
    cases = drawn_cases(parts)
    together = sketch.quantiles(sketches_of(cases), QUANTILES)

    for number, case in enumerate(cases[:300]):
        alone = sketch.quantiles(sketches_of([case]), QUANTILES)
        assert together[number].tobytes() == alone[0].tobytes()


def test_a_million_values_have_the_quantiles_of_numpy() -> None:
    """The interpolation that eight values need does no harm to many."""
    case = Case(np.sort(np.random.default_rng(SEED).lognormal(3, 2, 1_000_000)), np.ones(1_000_000))

    found = sketch.quantiles(sketches_of([case]), QUANTILES)

    assert [] == misses(found, of_copies(case))
