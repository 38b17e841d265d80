"""The machine is a function of an alert and an evaluation: what was evaluated once changes nothing again."""

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.transition import BREACH, CLEAR, CLOSED, LIVE, TICK, Transition
from services.alerts.evaluation.domain.alert import BAND, NONE, Alert, Evaluation, SeriesRef
from services.alerts.evaluation.domain.machine import step
from shared.alerts.rules.model import KEEP
from shared.model.window import BASE_MS
from tests.support.alerting import rule

RULES = (
    rule(),
    rule(for_s=20),
    rule(keep_firing_ms=30_000),
    rule(for_s=15, no_data=KEEP, lookback_ms=20_000),
)
SERIES = (SeriesRef(1, 7, {}), SeriesRef(2, 7, {}, is_level=True))


def evaluation(number: int, window: int, decided_on: str, outcome: str) -> Evaluation:
    """One judgement of a window by one of the rules."""
    start_ms = window * BASE_MS
    judged = RULES[number // 2], SERIES[number % 2]
    return Evaluation(*judged, outcome, decided_on, start_ms, start_ms + BASE_MS, 6.0, 1.0)


judgements = st.tuples(
    st.integers(1, 9) | st.integers(30, 50),
    st.sampled_from((LIVE, CLOSED, TICK)),
    st.sampled_from((BREACH, BREACH, CLEAR, BAND, NONE)),
)


@given(st.integers(0, 7), st.lists(judgements, max_size=20))
def test_an_evaluation_that_comes_twice_changes_nothing(
    number: int, drawn: list[tuple[int, str, str]]
) -> None:
    """The alert stays the same object, and no key comes twice."""
    alert: Alert | None = None
    transitions: list[Transition] = []
    for window, decided_on, outcome in drawn:
        judged = evaluation(number, window, decided_on, NONE if decided_on == TICK else outcome)
        alert, moved = step(alert, judged)
        again, none = step(alert, judged)
        transitions += moved

        assert again is alert
        assert none == ()
    keys = [each.key for each in transitions]

    assert len(set(keys)) == len(keys)


@given(st.integers(0, 7), st.lists(judgements, max_size=20))
def test_an_episode_has_one_beginning_and_one_end(number: int, drawn: list[tuple[int, str, str]]) -> None:
    """Pending, firing and an end in this order, each at most once; what never fired is cancelled, not resolved."""
    alert: Alert | None = None
    episodes: dict[int, list[str]] = {}
    for window, decided_on, outcome in drawn:
        alert, moved = step(
            alert, evaluation(number, window, decided_on, NONE if decided_on == TICK else outcome)
        )
        for each in moved:
            episodes.setdefault(each.episode_ms, []).append(each.transition)

    whole = (
        ["firing", "resolved"],
        ["pending", "firing", "resolved"],
        ["pending", "cancelled"],
    )
    assert all(any(kinds == one[: len(kinds)] for one in whole) for kinds in episodes.values())
