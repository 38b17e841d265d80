"""One line a metric."""

import numpy as np
import pytest

from services.gateway.query.dashboard.dashboard import (
    RANGE_MS,
    Span,
    Summary,
    complete_to_ms,
    quantiles_of,
    span_of,
)


def summary(count: float, total: float, weights: list[float], latest_ms: int = 0) -> Summary:
    """A metric whose sketch has these weights."""
    buckets = np.arange(12_000, 12_000 + len(weights)).astype(np.int16)
    return Summary("m", "s", "delta", count, 4, total, 1.0, 2.0, buckets, np.array(weights), latest_ms)


def test_a_dashboard_is_made_of_whole_windows_that_have_ended() -> None:
    """A quarter of an hour is ninety of them; the one under way is not among them."""
    span = span_of(10 * RANGE_MS + 12_345)

    assert Span(9 * RANGE_MS + 10_000, 10 * RANGE_MS + 10_000) == span
    assert (90, 9 * RANGE_MS + 10_000, 10 * RANGE_MS) == (len(span.starts), span.starts[0], span.starts[-1])


@pytest.mark.parametrize(
    ("count", "total", "average"),
    [(4.0, 10.0, 2.5), (4.0, -10.0, -2.5), (0.0, 0.0, None), (0.0, 3.0, None), (-2.0, -3.0, None)],
)
def test_an_average_of_nothing_is_none(count: float, total: float, average: float | None) -> None:
    """Retractions may leave as little as nothing, or less."""
    assert average == summary(count, total, [1.0]).average


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 0.0]])
def test_a_quantile_of_nothing_is_none(weights: list[float]) -> None:
    """So may they of a sketch."""
    assert [(None, None, None)] == quantiles_of([summary(1.0, 1.0, weights)])


def test_each_metric_has_its_quantiles_within_its_extremes() -> None:
    """Bucket 12,000 holds the value 1, and the row says that nothing is below it."""
    assert [(1.0, 1.0, 1.0), (None,) * 3] == quantiles_of([summary(4.0, 4.0, [4.0]), summary(1.0, 1.0, [])])
    assert [] == quantiles_of([])


def test_a_dashboard_says_how_far_it_is_complete() -> None:
    """To the end of the latest window in it."""
    assert 30_000 == complete_to_ms([summary(1, 1, [], 20_000), summary(1, 1, [], 10_000)])
    assert complete_to_ms([]) is None
