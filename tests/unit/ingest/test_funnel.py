"""How far a session came: a table of cases, and the law that order of arrival does not matter."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.funnel import MAX_OCCURRENCES, Occurrence, Progress, kept, progress

CASES = [
    pytest.param([(10, 0)], Progress(10, (10,), 0), id="enters"),
    pytest.param([(10, 0), (20, 1), (30, 2)], Progress(10, (10, 20, 30), 0), id="goes on"),
    pytest.param([(30, 2), (10, 0), (20, 1)], Progress(10, (10, 20, 30), 0), id="arrives in another order"),
    pytest.param([(10, 0), (10, 1), (10, 2)], Progress(10, (10, 10, 10), 0), id="all at one instant"),
    pytest.param([(10, 0), (20, 0), (30, 1), (40, 1)], Progress(10, (10, 30), 0), id="repeats steps"),
    pytest.param([(10, 0), (20, 1), (30, 0), (40, 2)], Progress(10, (10, 20, 40), 0), id="goes back"),
    pytest.param([(10, 0), (20, 2)], Progress(10, (10,), 1), id="skips a step"),
    pytest.param([(10, 0), (20, 2), (30, 1)], Progress(10, (10, 30), 1), id="a step before its time"),
    pytest.param(
        [(10, 0), (20, 2), (30, 1), (40, 2)], Progress(10, (10, 30, 40), 1), id="and in its time again"
    ),
    pytest.param([(10, 1), (20, 0), (30, 1)], Progress(10, (20, 30), 1), id="begins in the middle"),
    pytest.param([(10, 3), (20, 1)], Progress(10, (), 2), id="never enters"),
    pytest.param([(10, 1), (10, 0)], Progress(10, (10, 10), 0), id="two at one instant are in order"),
    pytest.param([(10, 0), (20, 3), (25, 4), (30, 1)], Progress(10, (10, 30), 2), id="far ahead"),
    pytest.param([(-5, 0), (0, 1)], Progress(-5, (-5, 0), 0), id="before 1970"),
]


@pytest.mark.parametrize(("sent", "expected"), CASES)
def test_progress(sent: list[tuple[int, int]], expected: Progress) -> None:
    """Steps are taken in order of event time."""
    found = progress(Occurrence(*one) for one in sent)

    assert expected == found
    assert (expected.reached_ms[0] if expected.reached_ms else None) == found.entered_ms


occurrences = st.lists(st.builds(Occurrence, st.integers(0, 30), st.integers(0, 8)), min_size=1, max_size=40)


@given(occurrences, st.randoms(use_true_random=False))
def test_progress_is_a_function_of_the_set(sent: list[Occurrence], chance: Random) -> None:
    """Any order, any repeats, any batches: the same progress."""
    expected = progress(sent)
    again = sent * 2
    chance.shuffle(again)
    stored: list[Occurrence] = []
    for one in again:
        stored = kept([*stored, one])

    assert expected == progress(again) == progress(stored)
    assert sorted(set(sent)) == stored


@given(occurrences)
def test_progress_is_sound(sent: list[Occurrence]) -> None:
    """Steps are reached in order of time, at occurrences of their own, and nothing early was reached before."""
    found = progress(sent)
    reached = found.reached_ms

    assert list(reached) == sorted(reached)
    assert all(Occurrence(ts, step) in sent for step, ts in enumerate(reached))
    assert min(ts for ts, _ in sent) == found.first_ms
    assert found.out_of_order <= len([one for one in set(sent) if one.step > 0])


def test_only_the_earliest_occurrences_are_kept() -> None:
    """A session that sends more stands still there, however its steps arrive."""
    many = [Occurrence(ts, 1) for ts in range(MAX_OCCURRENCES)]
    beyond = [Occurrence(MAX_OCCURRENCES + 1, 2)]
    before = [Occurrence(-1, 0)]

    assert kept([*beyond, *many]) == many
    assert kept([*kept([*beyond, *many]), *before]) == kept([*before, *many, *beyond])
    assert (-1, 0) == progress([*before, *many, *beyond]).reached_ms
