"""The quantile sketch: its error, its edges, its merge."""

import numpy as np
import pytest
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
