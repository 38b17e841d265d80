"""Which points are let in."""

import numpy as np
import pytest

from services.gateway.intake.domain.admission import DAY_MS, refusals, without
from shared.model.point import Points

NOW = 1_760_000_000_000
NAN = float("nan")
INFINITY = float("inf")


def points(value: float = 1.0, ts_ms: int = NOW, weight: float | None = None) -> Points:
    """A good point, the one in question, and a good point."""
    column = None if weight is None else np.array([1.0, weight, 1.0])
    return Points(np.zeros(3, np.int32), np.array([NOW, ts_ms, NOW]), np.array([1.0, value, 1.0]), column)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(points(value=1e100), id="largest value"),
        pytest.param(points(value=-1e100), id="smallest value"),
        pytest.param(points(value=5e-324), id="denormal"),
        pytest.param(points(value=-0.0), id="minus zero"),
        pytest.param(points(ts_ms=NOW + 60_000), id="60 s ahead"),
        pytest.param(points(ts_ms=NOW - 5 * DAY_MS), id="five days old"),
        pytest.param(points(weight=-1e12), id="largest retraction"),
        pytest.param(Points(*(np.empty(0) for _ in range(3))), id="no points"),
    ],
)
def test_points_at_the_limits_enter(given: Points) -> None:
    """Every limit includes its own value."""
    assert [] == refusals(given, NOW)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param(points(value=1.1e100), "value_out_of_range", id="large value"),
        pytest.param(points(value=NAN), "value_out_of_range", id="NaN"),
        pytest.param(points(value=-INFINITY), "value_out_of_range", id="infinity"),
        pytest.param(points(weight=0.0), "weight_out_of_range", id="weight zero"),
        pytest.param(points(weight=1.1e12), "weight_out_of_range", id="large weight"),
        pytest.param(points(weight=NAN), "weight_out_of_range", id="weight NaN"),
        pytest.param(points(ts_ms=NOW + 60_001), "ts_in_future", id="past 60 s ahead"),
        pytest.param(points(ts_ms=1 << 62), "ts_in_future", id="end of time"),
        pytest.param(points(ts_ms=NOW - 5 * DAY_MS - 1), "ts_too_old", id="older than five days"),
        pytest.param(points(ts_ms=-(1 << 62)), "ts_too_old", id="before time"),
        pytest.param(
            points(value=NAN, ts_ms=0, weight=0.0), "value_out_of_range", id="several faults, one answer"
        ),
    ],
)
def test_a_point_beyond_a_limit_is_named(given: Points, code: str) -> None:
    """Its row and a stable code come back, and its neighbours are left alone."""
    assert [(1, code)] == [(bad.index, bad.code) for bad in refusals(given, NOW)]


@pytest.mark.parametrize(
    ("ts", "unit"),
    [(NOW // 1000, "seconds"), (NOW * 1000, "microseconds"), (NOW * 1_000_000, "nanoseconds")],
)
def test_a_time_in_another_unit_is_recognised(ts: int, unit: str) -> None:
    """The message says which unit it looks like, for that is what the sender must mend."""
    assert f"looks like {unit}" in refusals(points(ts_ms=ts), NOW)[0].message


def test_what_is_taken_out_leaves_the_rest_in_order() -> None:
    """The columns shrink together."""
    left = without(points(value=9.0, weight=2.0), [1])

    assert ([1.0, 1.0], [NOW, NOW], [1.0, 1.0]) == (
        left.value.tolist(),
        left.ts_ms.tolist(),
        left.weight.tolist(),
    )
