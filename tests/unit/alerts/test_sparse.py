"""Series that report seldom, in batches, or no more: what holds an alert, and what ends it."""

import random
from collections.abc import Iterable

import pytest

from services.alerts.evaluation.service import WindowRows
from shared.alerts.rules.expression import parse
from shared.alerts.rules.model import KEEP
from shared.model.window import BASE_MS
from tests.support.alerting import changes, closed, partition, reports, rule, tick

DELTA, LEVEL = 1, 2
EXPR = "api:response_seconds:last_10s > 5"
BEGIN_S = 20.0


def transitions_of(messages: Iterable[WindowRows], **more: object) -> list[tuple[str, str, float]]:
    """Transitions, reasons, and seconds from the end of the first window to each."""
    state = partition(rule(EXPR, **more))  # type: ignore[arg-type]
    for message in messages:
        state.fold(message)
    return [
        (each.transition, each.reason, each.at_ms / 1000 - BEGIN_S - BASE_MS / 1000)
        for each in state.checkpoint().transitions
    ]


@pytest.mark.parametrize(
    ("every_s", "ends_s"),
    [
        pytest.param(5, 60, id="5 s: one minute"),
        pytest.param(10, 60, id="10 s: one minute"),
        pytest.param(15, 120, id="15 s: two minutes"),
        pytest.param(30, 180, id="30 s: three minutes"),
        pytest.param(60, 300, id="60 s: five minutes"),
        pytest.param(120, 300, id="120 s: five minutes"),
    ],
)
def test_a_gauge_fires_once_however_seldom_it_reports(every_s: int, ends_s: int) -> None:
    """`for: 30s` has passed 30 s after its first breach; after its last point it is gone, by how often it came."""
    times = [BEGIN_S + every_s * number for number in range(20)]
    last_end_s = (times[-1] // 10 + 1) * 10 - BEGIN_S - 10

    found = transitions_of(reports(dict.fromkeys(times, 6.0), LEVEL, times[-1] + 400), for_s=30)

    assert [
        ("pending", "breach", 0.0),
        ("firing", "breach", 30.0),
        ("resolved", "no_data", last_end_s + ends_s),
    ] == found


@pytest.mark.parametrize("every_s", [10.2, 10.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.6])
def test_a_window_that_is_missed_now_and_then_begins_no_new_episode(every_s: float, jitter_s: float) -> None:
    """300 points, each a little early or late."""
    chance = random.Random(3)
    times = [BEGIN_S + 5 + every_s * number + chance.uniform(-jitter_s, jitter_s) for number in range(300)]

    found = transitions_of(reports(dict.fromkeys(times, 6.0), LEVEL, times[-1] + 400), for_s=30)

    assert ["pending", "firing", "resolved"] == [transition for transition, *_ in found]


def test_a_series_that_clears_resolves_in_the_next_window() -> None:
    """Look-back delays the end of what is silent, not of what says that it is well."""
    points = {BEGIN_S + 10 * number: 6.0 if number < 7 else 1.0 for number in range(9)}

    assert [("pending", 0.0), ("firing", 30.0), ("resolved", 70.0)] == [
        (transition, at_s) for transition, _, at_s in transitions_of(reports(points, LEVEL, 200), for_s=30)
    ]


@pytest.mark.parametrize("span", [6, 30])
def test_a_sender_of_batches_is_not_taken_for_dead(span: int) -> None:
    """Nothing comes for a minute, or for five, then windows without a gap: one FIRING, one RESOLVED."""
    messages = list[WindowRows]()
    for batch in range(5):
        first = 2 + batch * span
        over = first + span
        messages.append(closed([(LEVEL, window, 6.0) for window in range(first, over)], time=over))
        # Time has moved on to just before the next batch comes.
        messages.append(tick(over + span - 1))

    found = transitions_of([*messages, tick(2 + 5 * span + 100)], for_s=30)

    assert ["pending", "firing", "resolved"] == [transition for transition, *_ in found]


def test_a_delta_matures_on_what_happens() -> None:
    """Between its points nothing happens: one bad minute does not last because nobody came since."""
    once = reports({BEGIN_S: 6.0}, DELTA, 200)
    twice = reports({BEGIN_S: 6.0, BEGIN_S + 60: 6.0}, DELTA, 200)

    assert ["pending"] == [transition for transition, *_ in transitions_of(once, for_s=30)]
    assert [("pending", 0.0), ("firing", 60.0)] == [
        (transition, at_s) for transition, _, at_s in transitions_of(twice, for_s=30)
    ]


def test_what_recovers_goes_on_while_it_is_silent() -> None:
    """`keep_firing_for` counts from the first clear window; a breach within it is the same episode."""
    ends = {BEGIN_S: 6.0, BEGIN_S + 10: 1.0}
    returns = ends | {BEGIN_S + 30: 6.0}

    assert [("firing", "breach", 0.0), ("resolved", "clear", 70.0)] == transitions_of(
        reports(ends, LEVEL, 300), keep_firing_ms=60_000
    )
    assert [("firing", "breach", 0.0), ("resolved", "no_data", 150.0)] == transitions_of(
        reports(returns, LEVEL, 600), keep_firing_ms=60_000
    )


def test_between_breach_and_clear_what_fires_goes_on() -> None:
    """And what is pending is dropped, as a rule that asks for its own alert does in Prometheus."""
    clear = parse("api:response_seconds:last_10s < 4")
    values = {BEGIN_S: 6.0, BEGIN_S + 10: 4.5, BEGIN_S + 20: 4.5, BEGIN_S + 30: 3.0}

    assert [("firing", 0.0), ("resolved", 30.0)] == [
        (transition, at_s) for transition, _, at_s in transitions_of(reports(values, LEVEL, 200), clear=clear)
    ]
    assert [("pending", 0.0), ("cancelled", 10.0)] == [
        (transition, at_s)
        for transition, _, at_s in transitions_of(reports(values, LEVEL, 200), clear=clear, for_s=20)
    ]


def test_too_few_samples_are_none() -> None:
    """They neither fire nor clear; the series is heard all the same."""
    points = {BEGIN_S + 10 * number: 6.0 for number in range(40)}

    assert [] == transitions_of(reports(points, LEVEL, 500), min_samples=2)


def test_a_rule_may_say_how_long_silence_is_nothing() -> None:
    """And an alert may hold until somebody says that it is well."""
    points = {BEGIN_S: 6.0}

    assert [("firing", "breach", 0.0), ("resolved", "no_data", 30.0)] == transitions_of(
        reports(points, LEVEL, 900), lookback_ms=30_000
    )
    assert [("firing", "breach", 0.0)] == transitions_of(reports(points, LEVEL, 9000), no_data=KEEP)


def test_a_stalled_pipeline_moves_nothing() -> None:
    """Without a tick no time passes; when it comes, what was due happens at its own step."""
    state = partition(rule(EXPR, for_s=30))
    state.fold(closed([(LEVEL, 2, 6.0), (DELTA, 2, 6.0)], time=3))
    before = changes(state.checkpoint())
    state.fold(tick(3))
    state.fold(tick(1000))
    after = changes(state.checkpoint())

    assert [("pending", "breach", 2)] * 2 == before
    assert [("firing", "breach", 5), ("cancelled", "no_data", 32), ("resolved", "no_data", 32)] == after
