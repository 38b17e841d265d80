"""How long a topic has been silent, from looks at its ends."""

from collections.abc import Mapping, Sequence

import pytest

from services.gateway.query.resources.system.growth import Growth


@pytest.mark.parametrize(
    ("looks", "silent_s"),
    [
        pytest.param([], float("inf"), id="no look"),
        pytest.param([(10.0, {0: 5, 1: 0})], 90.0, id="one look"),
        pytest.param([(10.0, {0: 5, 1: 5}), (60.0, {0: 6, 1: 7})], 40.0, id="all have grown"),
        pytest.param([(10.0, {0: 5, 1: 5}), (60.0, {0: 6, 1: 5})], 90.0, id="one stands still"),
        pytest.param([(10.0, {0: 5}), (60.0, {0: 0})], 40.0, id="the topic was made anew"),
        pytest.param([(10.0, {0: 5}), (60.0, {0: 6, 1: 0})], 40.0, id="a partition is new"),
        pytest.param([(10.0, {0: 5, 1: 5}), (60.0, {0: 6})], 40.0, id="a partition is gone"),
        pytest.param(
            [(10.0, {0: 5}), (60.0, {0: 6, 1: 0}), (90.0, {0: 7, 1: 0})],
            10.0,
            id="one was added, and is empty",
        ),
    ],
)
def test_a_topic_is_as_silent_as_its_quietest_partition(
    looks: Sequence[tuple[float, Mapping[int, int]]], silent_s: float
) -> None:
    """A look that finds another end than the one before is a write; so is the first look at a partition."""
    growth = Growth()

    for at_s, ends in looks:
        growth.seen(ends, at_s)

    assert silent_s == growth.silent_s(100.0)
