"""The quantile sketch: its error, its edges, its merge."""

import numpy as np
import pytest
from ddsketch import LogCollapsingLowestDenseDDSketch
from hypothesis import given
from hypothesis import strategies as st

from shared.model import sketch

magnitudes = st.floats(min_value=1e-90, max_value=1e90)
Sketch = tuple[sketch.Buckets, sketch.Weights]


def sketch_of(values: list[float]) -> Sketch:
    """The sketch of these values."""
    return sketch.merge(sketch.buckets_of(np.array(values, np.float64)), np.ones(len(values)))


def quantile_of(values: list[float], q: float) -> float | None:
    """A quantile as a row gives it, which knows its smallest and largest value."""
    return sketch.quantile(*sketch_of(values), q, min(values), max(values))


@given(st.lists(st.tuples(magnitudes, st.booleans()), min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_within_its_accuracy(drawn: list[tuple[float, bool]], q: float) -> None:
    """Every quantile lies within one percent of the exact one, or of the larger of its two neighbours."""
    values = np.sort([-size if negative else size for size, negative in drawn])
    place = q * (len(values) - 1)
    low, high = values[int(place)], values[min(int(place) + 1, len(values) - 1)]
    exact, size = low + (high - low) * (place - int(place)), max(abs(low), abs(high))

    found = sketch.quantile(*sketch_of(values.tolist()), q)

    assert found == pytest.approx(exact, abs=size * sketch.ACCURACY * 1.000001)


@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize(
    ("value", "times"), [(250.0, 10), (1.0, 10), (-3.004, 5), (0.0, 2), (1e-200, 3), (1e100, 4), (0.1, 1)]
)
def test_where_all_values_are_equal_every_quantile_is_that_value(value: float, times: int, q: float) -> None:
    """To the last bit. Sources: DataDog/sketches-go#83, apache/druid#4744."""
    assert value == quantile_of([value] * times, q)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        pytest.param([1, 2, 3, 4, 5, 6, 7, 100], 0.99, 93.49, id="p99 of eight"),
        pytest.param(
            [1, 1, 1, 1000], 0.5, 1.0, id="the median of equals: findings/tdigest-median-of-equals.sh"
        ),
        pytest.param([10, 20], 0.5, 15.0, id="the middle of two"),
        pytest.param([10, 20], 0.95, 19.5, id="p95 of two"),
        pytest.param([-20, 10], 0.5, -5.0, id="of two signs"),
        pytest.param([0, 8], 0.25, 2.0, id="zero and another"),
        pytest.param([-4, -3, -2, -1], 0.5, -2.5, id="negative ones"),
        pytest.param([1, 3, 100], 1.0, 100.0, id="the largest"),
        pytest.param([1, 3, 100], 0.0, 1.0, id="the smallest"),
    ],
)
def test_a_quantile_of_few_values_is_interpolated_between_neighbouring_ranks(
    values: list[float], q: float, expected: float
) -> None:
    """As `percentile_cont` of Postgres, numpy and Prometheus's `quantile` have it."""
    assert quantile_of(values, q) == pytest.approx(expected, rel=sketch.ACCURACY)
    assert np.quantile(values, q) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("weight", [0.5, 0.25, 1e-12])
def test_a_value_with_a_weight_below_one_is_every_quantile(weight: float, q: float) -> None:
    """Not the lowest bucket of the other sign: findings/ddsketch-quantile-of-light-value.sh."""
    buckets = sketch.buckets_of(np.array([5.0]))

    assert sketch.quantile(buckets, np.array([weight]), q) == pytest.approx(5.0, rel=sketch.ACCURACY)


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(0.0, 0), (5e-324, 0), (-5e-324, 0), (1.0, 12_000), (-1.0, -12_000), (1e100, 23_513), (-1e100, -23_513)],
    ids=repr,
)
def test_edges_have_their_buckets(value: float, bucket: int) -> None:
    """Zero, the smallest and the largest magnitudes fit, on both sides."""
    assert [bucket] == sketch.buckets_of(np.array([value])).tolist()


def test_retracted_buckets_are_passed_over() -> None:
    """A bucket that a retraction emptied is no quantile."""
    buckets = sketch.buckets_of(np.array([1.0, 10.0]))

    assert sketch.quantile(buckets, np.array([1.0, 0.0]), 1.0) == pytest.approx(1.0, rel=0.01)
    assert sketch.quantile(buckets, np.array([0.0, 0.0]), 0.5) is None


dyadic = st.integers(-(2**20), 2**20).map(lambda weight: weight / 256)
sketches = st.lists(st.tuples(st.integers(-23_513, 23_513), dyadic), max_size=20).map(
    lambda drawn: (
        np.array([bucket for bucket, _ in drawn], np.int16),
        np.array([weight for _, weight in drawn], np.float64),
    )
)


def merged(*parts: Sketch) -> tuple[bytes, bytes]:
    """The bytes of the merge of sketches."""
    buckets, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    found = sketch.merge(buckets, weights)
    return found[0].tobytes(), found[1].tobytes()


def read(parts: tuple[bytes, bytes]) -> Sketch:
    """The sketch of these bytes."""
    return np.frombuffer(parts[0], np.int16), np.frombuffer(parts[1], np.float64)


@given(sketches, sketches, sketches)
def test_merges_do_not_depend_on_order_or_grouping(one: Sketch, two: Sketch, three: Sketch) -> None:
    """To the byte, for weights whose sums are exact; negative ones take back."""
    assert merged(one, two, three) == merged(three, one, two)
    assert merged(read(merged(one, two)), three) == merged(one, read(merged(two, three)))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 5)), min_size=1, max_size=50), st.data())
def test_quantiles_are_those_of_another_implementation(
    drawn: list[tuple[float, int]], data: st.DataObject
) -> None:
    """At whole ranks, between which it does not interpolate; zero and negative values and weights included."""
    peer = LogCollapsingLowestDenseDDSketch(sketch.ACCURACY, 4096)
    values = np.array([value if abs(value) >= 1e-9 else 0.0 for value, _ in drawn])
    weights = np.array([weight for _, weight in drawn], np.float64)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        peer.add(value, weight)
    last = int(weights.sum()) - 1
    rank = data.draw(st.integers(0, last))
    exact = np.repeat(np.sort(values), weights[np.argsort(values, kind="stable")].astype(int))[rank]

    found = sketch.quantile(*sketch.merge(sketch.buckets_of(values), weights), rank / max(last, 1))

    assert found == pytest.approx(exact, rel=sketch.ACCURACY * 1.000001, abs=1e-6)
    # A hair above the rank, where rounding cannot fall short of it.
    assert found == pytest.approx(
        peer.get_quantile_value(min(1.0, (rank + 1e-6) / max(last, 1))),
        rel=2 * sketch.ACCURACY * 1.01,
        abs=1e-6,
    )
