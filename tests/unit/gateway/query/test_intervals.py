"""The interval of a quantile: ranks by the binomial distribution, and how often the true quantile lies within."""

import numpy as np
import pytest

from services.gateway.query.questions.figures.intervals import EXACT_SAMPLES, intervals, ranks
from tests.support.rows import rows_of


@pytest.mark.parametrize(
    ("samples", "q", "wanted"),
    [
        pytest.param(100, 0.75, (66, 84), id="p75 of 100"),
        pytest.param(1_000, 0.75, (723, 778), id="p75 of 1,000"),
        pytest.param(12, 0.75, (6, 13), id="p75 of 12 has no upper end"),
        pytest.param(13, 0.75, (7, 13), id="p75 of 13 has one"),
        pytest.param(71, 0.95, (63, 72), id="p95 of 71 has none"),
        pytest.param(72, 0.95, (64, 72), id="p95 of 72 has one"),
        pytest.param(0, 0.5, None, id="nothing"),
        pytest.param(5, 0.5, (0, 6), id="p50 of 5 has neither"),
    ],
)
def test_ranks_are_those_of_the_binomial_distribution(
    samples: int, q: float, wanted: tuple[int, int] | None
) -> None:
    """Rank 0, or one above the samples: that end is not known."""
    assert wanted == ranks(samples, q)


@pytest.mark.parametrize("q", [0.5, 0.75, 0.9, 0.95, 0.99])
def test_the_approximation_is_no_narrower_than_the_exact_ranks(q: float) -> None:
    """Nor wider by more than a few ranks, where one goes over into the other."""
    exact, near = ranks(EXACT_SAMPLES, q), ranks(EXACT_SAMPLES + 1, q)

    assert exact
    assert near
    assert exact[0] - 4 <= near[0] <= exact[0] + 1
    assert exact[1] <= near[1] <= exact[1] + 5


@pytest.mark.parametrize("q", [0.5, 0.75, 0.95])
@pytest.mark.parametrize("samples", [40, 300, 5_000])
def test_the_true_quantile_lies_within_in_94_percent(q: float, samples: int) -> None:
    """Of 10,000 draws of a heavy-tailed distribution, where each end is known."""
    random = np.random.default_rng(round(1000 * q) + samples)
    draws = 10_000 * 40 // max(40, samples)
    drawn = random.lognormal(0.0, 1.0, (draws, samples))
    low, high = intervals(rows_of([(0, 0, row.tolist()) for row in drawn]), q)
    true = np.exp({0.5: 0.0, 0.75: 0.6744898, 0.95: 1.6448536}[q])

    within = (np.nan_to_num(low, nan=-np.inf) <= true) & (true <= np.nan_to_num(high, nan=np.inf))

    assert 0.94 <= within.mean()


def test_ends_lie_within_the_smallest_and_the_largest_value() -> None:
    """A bucket may stand for a value beyond them."""
    low, high = intervals(rows_of([(0, 0, [1.005] * 500)]), 0.5)

    assert (1.005, 1.005) == (low[0], high[0])


def test_few_samples_have_no_ends() -> None:
    """Nobody knows how large the true quantile may be."""
    low, high = intervals(rows_of([(0, 0, [1.0, 2.0, 3.0])]), 0.95)

    assert np.isnan(low[0]) or low[0] <= 3.0
    assert np.isnan(high[0])
