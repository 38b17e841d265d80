"""What is told of a funnel."""

import pytest

from services.gateway.query.resources.funnels.funnel import Reach, Step, report
from shared.model.funnel import Funnel

FUNNEL = Funnel("f", ("see", "try", "buy"))


def reach(*sessions: int) -> Reach:
    """So many sessions at each step."""
    return Reach(sessions, (None, 5.0, 7.5), 3)


def test_each_step_tells_how_many_came_and_how_many_left() -> None:
    """Rates are of the entries, drop-off rates of the step before."""
    found = report(FUNNEL, reach(8, 4, 1))

    assert (8, 1, 0.125, 3, "try") == (
        found.entries,
        found.completed,
        found.completion_rate,
        found.out_of_order,
        found.largest_drop,
    )
    assert found.steps == (
        Step(0, "see", 8, 1.0, 0, None, None),
        Step(1, "try", 4, 0.5, 4, 0.5, 5.0),
        Step(2, "buy", 1, 0.125, 3, 0.75, 7.5),
    )


def test_a_rate_of_nothing_is_none() -> None:
    """Nobody entered: no rate is 0, for 0 would be a statement about sessions."""
    found = report(FUNNEL, reach(0, 0, 0))

    assert (0, 0, None, None) == (found.entries, found.completed, found.completion_rate, found.largest_drop)
    assert {(None, 0, None)} == {(step.rate, step.drop_off, step.drop_off_rate) for step in found.steps}


def test_a_step_that_nobody_could_drop_off_from_has_no_rate() -> None:
    """Everybody left at the second step, so the third says nothing."""
    found = report(FUNNEL, reach(4, 0, 0))

    assert [(0, None), (4, 1.0), (0, None)] == [(step.drop_off, step.drop_off_rate) for step in found.steps]


@pytest.mark.parametrize(
    ("sessions", "name"),
    [
        pytest.param((6, 4, 2), "try", id="the first of equals"),
        pytest.param((6, 5, 2), "buy", id="by sessions, not by rate"),
        pytest.param((6, 6, 6), None, id="nobody dropped off"),
    ],
)
def test_the_largest_drop_is_named(sessions: tuple[int, ...], name: str | None) -> None:
    """Where the most sessions are lost."""
    assert name == report(FUNNEL, reach(*sessions)).largest_drop


def test_every_entry_is_completed_or_dropped_off_once() -> None:
    """The drop-offs and the completed add up to the entries."""
    found = report(FUNNEL, reach(97, 31, 12))

    assert found.entries == found.completed + sum(step.drop_off for step in found.steps)
