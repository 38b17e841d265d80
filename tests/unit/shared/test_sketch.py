"""The quantile sketch: its error, its edges, its merge."""

import numpy as np
import pytest
from ddsketch import LogCollapsingLowestDenseDDSketch
from hypothesis import given
from hypothesis import strategies as st

from shared.model import sketch

magnitudes = st.floats(min_value=1e-90, max_value=1e90)


@given(st.lists(st.tuples(magnitudes, st.booleans()), min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_within_its_accuracy(drawn: list[tuple[float, bool]], q: float) -> None:
    """Every quantile lies within one percent of the exact value of its rank."""
    values = np.array([-size if negative else size for size, negative in drawn])
    buckets, weights = sketch.merge(sketch.buckets_of(values), np.ones(len(values)))
    exact = np.sort(values)[int(q * (len(values) - 1))]

    found = sketch.quantile(buckets, weights, q)

    assert found == pytest.approx(exact, rel=sketch.ACCURACY * 1.000001)


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
Sketch = tuple[sketch.Buckets, sketch.Weights]


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


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 5)), min_size=1, max_size=50),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_quantiles_are_those_of_another_implementation(drawn: list[tuple[float, int]], q: float) -> None:
    """Both are within one percent of the same exact value, zero and negative values and weights included."""
    peer = LogCollapsingLowestDenseDDSketch(sketch.ACCURACY, 4096)
    for value, weight in drawn:
        peer.add(value if abs(value) >= 1e-9 else 0.0, weight)
    values = np.array([value if abs(value) >= 1e-9 else 0.0 for value, _ in drawn])
    weights = np.array([weight for _, weight in drawn], np.float64)

    found = sketch.quantile(*sketch.merge(sketch.buckets_of(values), weights), q)
    exact = np.repeat(np.sort(values), weights[np.argsort(values, kind="stable")].astype(int))[
        int(q * (weights.sum() - 1))
    ]

    assert found == pytest.approx(exact, rel=sketch.ACCURACY * 1.000001)
    assert found == pytest.approx(peer.get_quantile_value(q), rel=2 * sketch.ACCURACY * 1.01)
