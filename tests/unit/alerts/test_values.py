"""What a rule compares: the aggregates of windows."""

import math

import numpy as np
import pytest

from services.alerts.evaluation.domain import evaluate
from shared.alerts.rules.expression import parse
from shared.model import sketch
from shared.model.rollup import Rollups, concatenate
from tests.support.alerting import rollups


def window(values: list[float]) -> Rollups:
    """The window of one series with these values."""
    row = rollups([(1, 1, 0.0)])
    row.bucket, row.weight = sketch.merge(sketch.buckets_of(np.array(values)), np.ones(len(values)))
    row.sketch_at = np.array([0, len(row.bucket)])
    row.min, row.max = np.array([min(values, default=np.inf)]), np.array([max(values, default=-np.inf)])
    return row


def value_of(expr: str, *windows: list[float]) -> list[float]:
    """What the expression gives for each of these windows."""
    rows = concatenate([window(values) for values in windows])
    found: list[float] = evaluate.values(parse(expr), rows, np.arange(len(rows))).tolist()
    return found


def test_a_quantile_over_its_threshold_fires_however_near_it_is() -> None:
    """Every response takes 3.004 s, the rule asks for 3 s. Source: prometheus#12740."""
    comparison = parse("api:response_seconds:p95_10s > 3")
    rows = window([3.004] * 20)

    found = evaluate.values(comparison, rows, np.array([0]))

    assert [3.004] == found.tolist()
    assert [True] == evaluate.breaches(comparison, found).tolist()


@pytest.mark.parametrize("operation", ["p50", "p95", "p99.9"])
def test_a_quantile_lies_within_the_extremes_of_its_window(operation: str) -> None:
    """Ten times 250 is 250. Sources: DataDog/sketches-go#83, apache/druid#4744."""
    assert [250.0, 1.0] == value_of(f"api:response_seconds:{operation}_10s > 3", [250.0] * 10, [1.0] * 10)


def test_a_quantile_of_eight_values_is_interpolated() -> None:
    """As Prometheus's `quantile` has it."""
    [found] = value_of("api:response_seconds:p99_10s > 3", [1, 2, 3, 4, 5, 6, 7, 100])

    assert found == pytest.approx(93.49, rel=0.01)


def test_a_window_of_nothing_has_no_quantile() -> None:
    """Beside one that has: NaN, which breaches nothing."""
    nothing, some = value_of("api:response_seconds:p99_10s != 3", [], [2.0])

    assert math.isnan(nothing)
    assert some == 2.0


def test_a_rate_is_by_second() -> None:
    """What a window has added, and the same by second."""
    rows = window([4.0, 6.0])
    rows.sum = np.array([10.0])
    found = [
        evaluate.values(parse(f"{name}(m[10s]) > 3"), rows, np.array([0])).tolist()
        for name in ("increase", "rate")
    ]

    assert [[10.0], [1.0]] == found
