"""How far a session came: a table of cases."""

import pytest

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


def test_only_the_earliest_occurrences_are_kept() -> None:
    """A session that sends more stands still there, however its steps arrive."""
    many = [Occurrence(ts, 1) for ts in range(MAX_OCCURRENCES)]
    beyond = [Occurrence(MAX_OCCURRENCES + 1, 2)]
    before = [Occurrence(-1, 0)]

    assert kept([*beyond, *many]) == many
    assert kept([*kept([*beyond, *many]), *before]) == kept([*before, *many, *beyond])
    assert (-1, 0) == progress([*before, *many, *beyond]).reached_ms
