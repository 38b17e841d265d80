"""Exponential histograms become buckets that stay the same while their client makes its scale coarser."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from services.gateway.intake.columns.exponential import (
    BLOCK,
    ERROR,
    MAX_COUNTS,
    SCALE,
    Side,
    exponential,
    is_coarse,
)
from shared.errors import Rejected

NONE = Side(0, [])
PHASES = ((1e-2, 1.0), (1e-2, 1e2), (1e-4, 1e2), (1e-4, 1e5))
"""From where to where the values of a client lie, one collection after the other: nine orders of magnitude."""


def collections(phases: list[np.ndarray]) -> Iterator[Any]:
    """The point that OpenTelemetry's SDK collects after each phase, of all values so far."""
    reader = InMemoryMetricReader()
    view = View(instrument_name="d", aggregation=ExponentialBucketHistogramAggregation())
    histogram = MeterProvider([reader], views=[view]).get_meter("m").create_histogram("d")
    for values in phases:
        for value in values.tolist():
            histogram.record(value)
        data: Any = reader.get_metrics_data()
        yield data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]


def totals(point: Any, *, mirrored: bool) -> dict[float, float]:
    """The running totals of a point, or of its mirror image, by the value of their bucket."""
    sides = [Side(side.offset, side.bucket_counts) for side in (point.positive, point.negative)]
    value, count = exponential(
        point.scale, point.zero_count, *(sides[::-1] if mirrored else sides), total=True
    )
    assert (np.diff(value) > 0).all()
    return dict(zip(value.tolist(), count.tolist(), strict=True))


def recorded(seed: int) -> list[np.ndarray]:
    """Values of a client, which spread as it runs; some are zero."""
    random = np.random.default_rng(seed)
    phases = [np.exp(random.uniform(np.log(low), np.log(high), 400)) for low, high in PHASES]
    return [np.concatenate((values, np.zeros(5))) for values in phases]


@pytest.mark.parametrize("mirrored", [False, True], ids=["positive", "negative"])
@pytest.mark.parametrize("seed", range(3))
def test_totals_grow_by_what_was_recorded_though_their_client_makes_its_scale_coarser(
    seed: int, mirrored: bool
) -> None:
    """R35, with OpenTelemetry's own SDK: no count is lost or told twice, and quantiles stay within the error."""
    phases, before, scales = recorded(seed), dict[float, float](), []
    for values, point in zip(phases, collections(phases), strict=True):
        now = totals(point, mirrored=mirrored)
        scales.append(point.scale)
        grown = {value: count - before.get(value, 0.0) for value, count in now.items()}

        assert before.keys() <= now.keys()
        assert (0.0, float(len(values))) == (min(0.0, *grown.values()), sum(grown.values()))
        came = np.repeat(list(grown), np.array(list(grown.values()), np.int64))
        np.testing.assert_allclose(came, np.sort(-values if mirrored else values), rtol=ERROR)
        before = now
    assert scales == sorted(scales, reverse=True)
    assert scales[0] > scales[-1] >= SCALE


@pytest.mark.parametrize("scale", range(-6, 21))
def test_a_value_is_as_near_to_one_side_of_its_bucket_as_to_the_other(scale: int) -> None:
    """As a part of them; on both sides of 1."""
    value, _ = exponential(scale, 0, Side(-3, [1] * 6), NONE, total=False)

    for index, one in zip(range(-3, 3), value.tolist()[1:], strict=True):
        lower, upper = (2.0 ** (each * 2.0**-scale) for each in (index, index + 1))
        assert lower < one < upper
        assert one / lower - 1 == pytest.approx(1 - one / upper, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "side", "values"),
    [
        pytest.param(20, Side(2943724, [1]), [7.0], id="a single value, at the finest scale"),
        pytest.param(6, Side(-1, [1, *[0] * 63, 1, *[0] * 63, 1]), [1.0, 2.0, 4.0], id="powers of two"),
        pytest.param(2, Side(-9, [0, 0, 1, 0]), [0.3], id="leading and trailing zeros"),
        pytest.param(2, Side(5, []), [], id="nothing"),
    ],
)
def test_what_sdks_send_of_known_values(scale: int, side: Side, values: list[float]) -> None:
    """R35: where both SDKs agree."""
    for total in (False, True):
        value, count = exponential(scale, 0, side, NONE, total=total)

        np.testing.assert_allclose(value[count > 0], values, rtol=ERROR)


def test_values_that_name_streams_are_the_same_on_every_machine() -> None:
    """To the bit: two gateways tell totals of one stream."""
    value, _ = exponential(2, 0, Side(-1, [1, 1]), NONE, total=False)

    assert ["0x0.0p+0", "0x1.d3bfcf4353bd7p-1", "0x1.1620185e56214p+0"] == [
        one.hex() for one in value.tolist()
    ]


def test_running_totals_tell_the_empty_buckets_of_their_block() -> None:
    """So that one which fills up later was seen empty; increments tell none."""
    value, count = exponential(2, 0, Side(0, [1]), NONE, total=True)

    assert (1 + BLOCK, 1.0) == (len(value), count.sum())
    assert 2 == len(exponential(2, 0, Side(0, [1]), NONE, total=False)[0])


def test_a_coarser_scale_makes_streams_of_its_own() -> None:
    """Beyond twelve orders of magnitude: their buckets are others."""
    finer, coarser = (set(exponential(at, 0, Side(0, [1]), NONE, total=True)[0]) for at in (SCALE, SCALE - 1))

    assert [False, False, True] == [is_coarse(SCALE + 1), is_coarse(SCALE), is_coarse(SCALE - 1)]
    assert {0.0} == finer & coarser


def test_what_is_nearer_to_zero_than_any_bucket_counts_as_zero() -> None:
    """1e-200 and its negative."""
    value, count = exponential(0, 2, Side(-665, [1]), Side(-665, [3]), total=False)

    assert ([0.0], [6.0]) == (value.tolist(), count.tolist())


@pytest.mark.parametrize(
    ("scale", "counts", "offset", "says"),
    [
        pytest.param(21, [1], 0, "scale", id="too fine"),
        pytest.param(-11, [1], 0, "scale", id="too coarse"),
        pytest.param(0, [1], 333, "magnitude", id="too large"),
        pytest.param(20, [1], (1 << 31) - 1, "magnitude", id="an offset of 32 bits"),
        pytest.param(0, [1] * (MAX_COUNTS + 1), 0, "at most", id="too many counts"),
        pytest.param(2, [1] * MAX_COUNTS, -600, None, id="as many as may be"),
        pytest.param(0, [1 << 41], 0, "counts", id="a count that is too large"),
        pytest.param(0, [-1], 0, "counts", id="a negative count"),
    ],
)
def test_what_no_histogram_can_be_is_refused(
    scale: int, counts: list[int], offset: int, says: str | None
) -> None:
    """By name."""
    for side in ((Side(offset, counts), NONE), (NONE, Side(offset, counts))):
        if says is None:
            assert exponential(scale, 0, *side, total=True)[1].sum() == len(counts)
        else:
            with pytest.raises(Rejected, match=says):
                exponential(scale, 0, *side, total=True)
