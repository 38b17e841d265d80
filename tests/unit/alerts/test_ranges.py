"""Rules that look back on several windows: what a range holds at each step, and when it decides."""

from collections.abc import Sequence

import pytest

from services.alerts.evaluation.domain.history import History
from services.alerts.evaluation.service import PartitionAlerts, WindowRows
from shared.alerts.rules.model import RuleSet
from shared.model.window import BASE_MS
from tests.support.alerting import Row, changes, closed, describe, live, partition, rule, tick

DELTA, LEVEL = 1, 2
METRIC = "api_response_seconds"


def windows(rows: Sequence[Row], until: int, begin: int = 1) -> list[WindowRows]:
    """A tick before the first window, then each window that has rows, and a tick."""
    messages = [tick(begin)]
    for window in range(begin, until):
        inside = [row for row in rows if row[1] == window]
        messages += [closed(inside, time=window + 1)] if inside else []
        messages.append(tick(window + 1))
    return messages


def folded(expr: str, messages: Sequence[WindowRows], **more: object) -> list[tuple[str, str, int]]:
    """What changes, with the last window of the range that was decided on."""
    state = partition(rule(expr, **more))  # type: ignore[arg-type]
    for message in messages:
        state.fold(message)
    return changes(state.checkpoint())


@pytest.mark.parametrize(
    ("expr", "series", "values", "expected"),
    [
        pytest.param(
            f"increase({METRIC}[30s]) > 5", DELTA, [2, 2, 2, 2, 0, 0],
            [("firing", "breach", 3), ("resolved", "clear", 5)], id="increase is the sum",
        ),
        pytest.param(
            f"rate({METRIC}[30s]) >= 0.2", DELTA, [2, 2, 2, 2, 0, 0],
            [("firing", "breach", 3), ("resolved", "clear", 5)], id="rate is by second",
        ),
        pytest.param(
            f"max_over_time({METRIC}[20s]) > 5", DELTA, [1, 6, 1, 1, 1],
            [("firing", "breach", 2), ("resolved", "clear", 4)], id="max",
        ),
        pytest.param(
            f"min_over_time({METRIC}[20s]) > 5", DELTA, [6, 6, 1, 1],
            [("firing", "breach", 2), ("resolved", "clear", 3)],
            id="min",
        ),
        pytest.param(
            f"avg_over_time({METRIC}[20s]) > 5", DELTA, [4, 8, 2, 2],
            [("firing", "breach", 2), ("resolved", "clear", 3)],
            id="avg",
        ),
        pytest.param(
            f"count_over_time({METRIC}[30s]) >= 3", DELTA, [1, 1, 1, None, 1],
            [("firing", "breach", 3), ("resolved", "clear", 4)], id="count",
        ),
        pytest.param(
            f"last_over_time({METRIC}[30s]) > 5", LEVEL, [1, 6, None, None, 1],
            [("firing", "breach", 3), ("resolved", "clear", 5)], id="last",
        ),
        pytest.param(
            f"quantile_over_time(0.5, {METRIC}[30s]) > 5", DELTA, [1, 6, 6, 1, 1],
            [("firing", "breach", 3), ("resolved", "clear", 5)], id="quantile",
        ),
        pytest.param(f"increase({METRIC}[30s]) > 5", LEVEL, [9, 9, 9, 9], [], id="a gauge has no increase"),
    ],
)  # fmt: skip
def test_a_range_is_judged_at_each_step(
    expr: str, series: int, values: list[float | None], expected: list[tuple[str, str, int]]
) -> None:
    """Over the windows that lie in it, whether they have points or not."""
    rows = [(series, window, value) for window, value in enumerate(values, 1) if value is not None]

    assert expected == folded(expr, windows(rows, len(values) + 1))


def test_a_range_decides_nothing_before_it_is_covered() -> None:
    """What is below a bound because nothing was kept yet is no news: rules that come later wait for their range."""
    rows = [(DELTA, window, 2.0) for window in range(1, 20)]
    state = partition()
    messages = windows(rows, 20)
    for message in messages[:20]:
        state.fold(message)
    state.rule_set.replace([rule(f"increase({METRIC}[40s]) < 9")])
    for message in messages[20:]:
        state.fold(message)

    assert [("firing", "breach", 14)] == changes(state.checkpoint())


def test_points_that_leave_a_range_clear_it() -> None:
    """A delta that happened once breaches while its range holds it; then its series is silent, and later gone."""
    once = [(DELTA, 4, 9.0)]

    assert [("firing", "breach", 4)] == folded(f"increase({METRIC}[30s]) > 5", windows(once, 30))
    assert [("firing", "breach", 4), ("resolved", "no_data", 34)] == folded(
        f"increase({METRIC}[30s]) > 5", windows(once, 60)
    )


def test_a_duration_counts_steps_of_a_range() -> None:
    """One burst breaches at six steps of its minute, and `for` may be reached within it."""
    once = [(DELTA, 7, 9.0)]

    assert [("pending", "breach", 7), ("firing", "breach", 10)] == folded(
        f"increase({METRIC}[1m]) > 5", windows(once, 14), for_s=30
    )


def test_ticks_that_jump_judge_every_step() -> None:
    """A watermark that moves by minutes comes to the same as one that moves by windows."""
    rows = [(DELTA, window, 6.0 if window in {8, 20} else 1.0) for window in range(4, 22)]
    expr = f"max_over_time({METRIC}[30s]) > 5"
    at_once = [tick(1), closed(rows, time=40), tick(40)]

    assert folded(expr, windows(rows, 40)) == folded(expr, at_once)


def test_a_window_that_comes_twice_counts_once() -> None:
    """Before its tick and behind it."""
    rows = [closed([(DELTA, 4, 3.0)]), closed([(DELTA, 5, 2.0)])]
    messages = [
        tick(1),
        rows[0],
        rows[0],
        tick(5),
        rows[0],
        rows[1],
        rows[0],
        rows[1],
        tick(6),
        rows[1],
        tick(8),
    ]

    assert [] == folded(f"increase({METRIC}[50s]) > 5", messages)
    assert [("firing", "breach", 5)] == folded(f"increase({METRIC}[50s]) >= 5", messages)


def test_open_windows_decide_no_range() -> None:
    """They are no part of it."""
    assert [] == folded(f"max_over_time({METRIC}[30s]) > 5", [tick(1), live([(DELTA, 2, 9.0)]), tick(2)])


def test_what_no_range_reaches_is_forgotten() -> None:
    """And what rules read that are gone."""
    state = partition(rule(f"max_over_time({METRIC}[30s]) > 5"))
    for message in windows([(DELTA, window, 1.0) for window in range(1, 20)], 20):
        state.fold(message)
    kept = len(state.history)
    state.rule_set.replace([])
    state.fold(tick(21))

    assert (2, 0) == (kept, len(state.history))


@pytest.mark.parametrize(
    ("limit", "kept", "evicted", "covered"),
    [
        pytest.param(4, 3, 0, True, id="below"),
        pytest.param(3, 3, 0, True, id="at"),
        pytest.param(2, 1, 2, False, id="above"),
    ],
)
def test_windows_that_have_no_room_start_anew(limit: int, kept: int, evicted: int, covered: bool) -> None:
    """Rather than a sum that is too small: the range decides nothing until it is covered again."""
    rule_set = RuleSet()
    rule_set.replace([rule(f"max_over_time({METRIC}[1m]) > 0")])
    state = PartitionAlerts(rule_set, describe, history=History(max_rows=limit))
    for message in windows([(DELTA, 7, 1.0), (DELTA, 8, 1.0), (DELTA, 9, 1.0)], 10)[:-1]:
        state.fold(message)
    if not covered:
        state.fold(closed([(DELTA, 9, 1.0)], time=10))
    state.fold(tick(10))
    leaf = state.rule_set.rules[0].comparison.leaf

    assert (kept, covered) == (len(state.history), state.history.covers(leaf.key, 4 * BASE_MS))
    assert evicted <= state.history.evicted
