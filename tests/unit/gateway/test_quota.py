"""The token bucket: what a tenant may send now."""

import pytest

from services.gateway.intake.domain.quota import full


@pytest.mark.parametrize(
    ("before", "asked", "waits_s"),
    [
        pytest.param([], 20, 0.0, id="the whole burst"),
        pytest.param([20], 1, 0.1, id="one more than the burst"),
        pytest.param([15], 5, 0.0, id="exactly what is left"),
        pytest.param([15], 6, 0.1, id="one more than is left"),
        pytest.param([], 100, 0.0, id="a full bucket gives credit"),
        pytest.param([100], 1, 8.1, id="credit is paid back"),
    ],
)
def test_a_request_passes_or_learns_how_long_to_wait(before: list[int], asked: int, waits_s: float) -> None:
    """At 10 points a second and a burst of 20 the answer follows from what was taken before."""
    bucket = full(10, 20, now_s=0)
    for points in before:
        bucket.take(points, 0)

    assert waits_s == pytest.approx(bucket.take(asked, 0))


def test_a_refused_request_costs_nothing() -> None:
    """Who is refused may come again after exactly the time that was named."""
    bucket = full(10, 20, now_s=0)
    bucket.take(20, 0)
    waits_s = bucket.take(5, 0)

    assert (0.5, 0.0) == (waits_s, bucket.take(5, waits_s))


def test_time_fills_up_to_the_burst_and_never_runs_backwards() -> None:
    """A long rest gives one burst; a clock that steps back gives nothing."""
    bucket = full(10, 20, now_s=100)
    bucket.take(20, 100)
    bucket.take(20, 1000)

    assert 0 < bucket.take(1, 999)


def test_a_smaller_allowance_holds_at_once() -> None:
    """Tokens above a new burst are forfeited."""
    bucket = full(10, 20, now_s=0)
    bucket.retune(1, 2)
    bucket.take(2, 0)

    assert 1.0 == bucket.take(1, 0)
