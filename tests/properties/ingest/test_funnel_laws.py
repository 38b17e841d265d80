"""Laws of funnels: order of arrival, repeats and batches do not matter."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.funnel import Occurrence, kept, progress

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
