"""What a leaf says of rows is what the points say: over any window, at any instant, from whatever tier."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from services.gateway.query.prometheus.envelope import reply_of
from services.gateway.query.prometheus.evaluation.reading import DAY_MS, Instants
from services.gateway.query.prometheus.service import Queries, Question
from shared.model.series import Series
from tests.support.memory_source import MemorySource, Point

NOW_MS = 1_700_000_000_000 - 1_700_000_000_000 % DAY_MS + 5 * 3_600_000 + 7 * 60_000 + 30_000
"""05:07:30 of a day."""

Points = list[tuple[int, float]]


def seconds_of(points: Points) -> float:
    """The sum of the values."""
    return math.fsum(value for _, value in points)


def quantile_of(points: Points, q: float) -> float:
    """Interpolated between neighbouring ranks."""
    values = sorted(value for _, value in points)
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (rank - low)


FIGURES: list[tuple[str, str, Callable[[Points, float], float | None]]] = [
    ("rate(d_count[{d}])", "d", lambda points, s: len(points) / s),
    ("rate(d_sum[{d}])", "d", lambda points, s: seconds_of(points) / s),
    ('rate({{"d"}}[{d}])', "d", lambda points, s: seconds_of(points) / s),
    ("increase(c[{d}])", "c", lambda points, _: seconds_of(points)),
    ('rate(d_bucket{{le="1"}}[{d}])', "d", lambda points, s: sum(value <= 1 for _, value in points) / s),
    ("avg_over_time(g[{d}])", "g", lambda points, _: seconds_of(points) / len(points)),
    ("sum_over_time(d[{d}])", "d", lambda points, _: seconds_of(points)),
    ("count_over_time(g[{d}])", "g", lambda points, _: float(len(points))),
    ("min_over_time(d[{d}])", "d", lambda points, _: min(value for _, value in points)),
    ("max_over_time(g_max[{d}])", "g", lambda points, _: max(value for _, value in points)),
    ("last_over_time(g[{d}])", "g", lambda points, _: max(points)[1]),
    ("present_over_time(c[{d}])", "c", lambda _points, _: 1.0),
    ("quantile_over_time(0.9, d[{d}])", "d", lambda points, _: quantile_of(points, 0.9)),
    ("histogram_quantile(0.5, rate(d_bucket[{d}]))", "d", lambda points, _: quantile_of(points, 0.5)),
    ("histogram_quantile(0.75, increase(g_bucket[{d}]))", "g", lambda points, _: quantile_of(points, 0.75)),
]  # fmt: skip
"""A query over a range, the metric that it reads, and what the points of a window say."""

SINCE_MIDNIGHT: list[tuple[str, str, Callable[[Points], float]]] = [
    ("d_count", "d", lambda points: float(len(points))),
    ("d", "d", seconds_of),
    ("c", "c", seconds_of),
    ("g_sum", "g", seconds_of),
    ('d_bucket{le="+Inf"}', "d", lambda points: float(len(points))),
    ("histogram_quantile(0.5, d_bucket)", "d", lambda points: quantile_of(points, 0.5)),
]

LENGTHS = {"30s": 30, "1m": 60, "5m": 300, "20m": 1_200, "1h": 3_600, "3h": 10_800}


def points_of(seed: int) -> list[Point]:
    """Points of the last 26 hours, more of the last two; some series are silent for long."""
    rng, found = random.Random(seed), []
    kinds = {"d": "delta", "c": "cumulative", "g": "gauge"}
    for metric, kind in kinds.items():
        for label in "xyz":
            owner = Series(1, metric, kind, "s", (("a", label), ("b", "1" if label == "x" else "2")))
            for _ in range(rng.choice([5, 40, 300])):
                age_ms = int(26 * 3_600_000 * rng.random() ** 3)
                # Halves add up to the same in every order.
                found.append(Point(owner, NOW_MS - 1 - age_ms, rng.randrange(1, 20) / 4))
    return found


async def series_of(source: MemorySource, query: str, instants: Instants) -> dict[str, dict[int, float]]:
    """The values of each series, by its label `a` and the instant in ms."""
    answer = await Queries(source, source).answer(Question(1, query, instants, instants.size > 1, NOW_MS))
    found: dict[str, Any] = reply_of(answer, instants, is_range=instants.size > 1, limit=0).data
    return {
        each["metric"]["a"]: {
            round(time_s * 1000): float(text) for time_s, text in each.get("values") or [each["value"]]
        }
        for each in found["result"]
    }


def windowed(source: MemorySource, metric: str, end_ms: int, length_ms: int) -> dict[str, Points]:
    """The points of a window of each series of a metric."""
    found: dict[str, Points] = {}
    for point in source.points:
        if point.series.metric == metric and end_ms - length_ms <= point.ts_ms < end_ms:
            found.setdefault(dict(point.series.labels)["a"], []).append((point.ts_ms, point.value))
    return found


def compare(query: str, actual: dict[str, dict[int, float]], wanted: dict[str, dict[int, float]]) -> None:
    """The same series at the same instants; quantiles of sketches within 1 %."""
    tolerance = 0.0101 if "quantile" in query else 1e-9
    assert {label: set(values) for label, values in wanted.items()} == {
        label: set(values) for label, values in actual.items()
    }, query
    for label, values in wanted.items():
        for at_ms, value in values.items():
            assert math.isclose(actual[label][at_ms], value, rel_tol=tolerance, abs_tol=1e-12), (
                query,
                label,
                at_ms,
            )


def transposed(found: dict[int, dict[str, float]]) -> dict[str, dict[int, float]]:
    """By series what was by instant."""
    labels = {label for values in found.values() for label in values}
    return {label: {at: values[label] for at, values in found.items() if label in values} for label in labels}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("query", "metric", "figure"), FIGURES, ids=[query for query, _, _ in FIGURES])
async def test_a_function_of_a_range_says_what_its_points_say(
    seed: int, query: str, metric: str, figure: Callable[[Points, float], float]
) -> None:
    """At single instants, at steps that overlap and at steps that leave gaps, within the time that rows are kept."""
    rng = random.Random(seed)
    source = MemorySource(points_of(seed), NOW_MS)
    for length, length_s in LENGTHS.items():
        step_ms = rng.choice([10_000, 30_000, 60_000, 70_000, 300_000, 900_000])
        for instants in (
            Instants(NOW_MS - rng.randrange(7_200) * 1_000, 0, 1),
            Instants(NOW_MS - rng.randrange(360) * 10_000, step_ms, min(40, 3_600_000 // step_ms)),
        ):
            wanted = transposed(
                {
                    at_ms: {
                        label: figure(points, length_s)
                        for label, points in windowed(
                            source, metric, at_ms - at_ms % 10_000, length_s * 1000
                        ).items()
                    }
                    for at_ms in instants.times_ms().tolist()
                }
            )

            compare(query, await series_of(source, query.format(d=length), instants), wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("query", "metric", "figure"), SINCE_MIDNIGHT, ids=[query for query, _, _ in SINCE_MIDNIGHT]
)
async def test_a_total_begins_at_midnight(
    seed: int, query: str, metric: str, figure: Callable[[Points], float]
) -> None:
    """At midnight itself it is that of the day that ends; then it begins anew."""
    rng = random.Random(seed)
    source = MemorySource(points_of(seed), NOW_MS)
    midnight_ms = NOW_MS - NOW_MS % DAY_MS
    for instants in (
        Instants(NOW_MS - rng.randrange(7_200) * 1_000, 0, 1),
        Instants(NOW_MS - 3_600_000, 60_000, 61),
        Instants(midnight_ms - 3_600_000, 900_000, 9),
        Instants(midnight_ms, 10_000, 3),
    ):
        wanted = transposed(
            {
                at_ms: {
                    label: figure(points)
                    for label, points in windowed(source, metric, end_ms, length_ms).items()
                }
                for at_ms in instants.times_ms().tolist()
                if (end_ms := at_ms - at_ms % 10_000) and (length_ms := (end_ms - 1) % DAY_MS + 1)
            }
        )

        compare(query, await series_of(source, query, instants), wanted)


@pytest.mark.parametrize("seed", range(4))
async def test_a_gauge_is_its_last_point_for_five_minutes(seed: int) -> None:
    """From whatever tier: a row says when its last point came."""
    source = MemorySource(points_of(seed), NOW_MS)
    for instants in (
        Instants(NOW_MS, 0, 1), Instants(NOW_MS - 3_600_000, 10_000, 300),
        Instants(NOW_MS - NOW_MS % 900_000 - 7_200_000, 900_000, 8), Instants(NOW_MS - 82_800_000, 3_600_000, 20),
    ):  # fmt: skip
        tier_ms = 60_000 if instants.step_ms == 3_600_000 else 10_000
        wanted = transposed(
            {
                at_ms: {
                    label: max(points)[1]
                    for label, points in windowed(source, "g", at_ms - at_ms % tier_ms, 300_000).items()
                }
                for at_ms in instants.times_ms().tolist()
            }
        )

        compare("g", await series_of(source, "g", instants), wanted)
