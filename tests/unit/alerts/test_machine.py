"""The life of an alert, step by step: who begins it, who ends it, and what changes nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from services.alerts.evaluation.service import PartitionAlerts, WindowRows
from shared.alerts.rules.model import Rule
from shared.errors import Rejected
from shared.model.window import BASE_MS
from tests.support.alerting import changes, closed, describe, live, partition, rule, tick

CLOSED_ONLY = "api:response_seconds:p95_10s > 5"


def after(state: PartitionAlerts, messages: Sequence[WindowRows]) -> list[tuple[str, str, int]]:
    """The transitions that these messages bring."""
    for message in messages:
        state.fold(message)
    return changes(state.checkpoint())


@pytest.mark.parametrize(
    ("expr", "for_s", "messages", "expected"),
    [
        pytest.param("max_10s > 5", 0, [live([(1, 3, 6)])], [("firing", "breach", 3)], id="live fires at once"),
        pytest.param("max_10s > 5", 0, [live([(1, 3, 5)])], [], id="strict: the bound itself is no breach"),
        pytest.param("max_10s >= 5", 0, [live([(1, 3, 5)])], [("firing", "breach", 3)], id="the bound is one"),
        pytest.param("p95_10s > 5", 0, [live([(1, 3, 6)])], [], id="a quantile waits for the close"),
        pytest.param("max_10s < 5", 0, [live([(1, 3, 1)])], [], id="below waits for the close"),
        pytest.param("max_10s > 5", 20, [live([(1, 3, 6)])], [], id="with a duration live windows decide nothing"),
        pytest.param(
            "p95_10s > 5", 0, [closed([(1, 3, 6)]), tick(4)], [("firing", "breach", 3)], id="closed fires"
        ),
        pytest.param("max_10s > 5", 0, [closed([(1, 3, float("nan"))]), tick(4)], [], id="a NaN never breaches"),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6)]), live([(1, 3, 7)]), closed([(1, 3, 7)]), tick(4)],
            [("firing", "breach", 3)], id="live and closed of one window page once",
        ),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6)]), closed([(1, 3, 6), (1, 4, 1)]), tick(5)],
            [("firing", "breach", 3), ("resolved", "clear", 4)], id="a clear window resolves",
        ),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6)]), closed([(1, 3, 6)]), tick(4), tick(5), tick(33)],
            [("firing", "breach", 3)], id="silence is no recovery",
        ),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6)]), closed([(1, 3, 6)]), tick(4), tick(90)],
            [("firing", "breach", 3), ("resolved", "no_data", 33)], id="a series that has ended resolves, at its time",
        ),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6)]), live([(1, 4, 1)]), live([(1, 5, 2)])],
            [("firing", "breach", 3)], id="a live window without breach resolves nothing",
        ),
        pytest.param(
            "max_10s > 5", 0,
            [
                live([(1, 3, 6)]), live([(1, 5, 9)]), closed([(1, 3, 6), (1, 4, 1)]), tick(5),
                closed([(1, 5, 9)]), tick(6),
            ],
            [("firing", "breach", 3)], id="a clear before a newer live breach resolves nothing",
        ),
        pytest.param(
            "max_10s > 5", 0,
            [
                live([(1, 3, 6)]), live([(1, 5, 9)]), closed([(1, 3, 6)]), tick(5),
                closed([(1, 5, 9), (1, 6, 0)]), tick(7),
            ],
            [("firing", "breach", 3), ("resolved", "clear", 6)],
            id="silence before a newer live breach resolves nothing",
        ),
        pytest.param(
            "max_10s > 5", 0,
            [closed([(1, 3, 6), (1, 4, 1)]), tick(5), closed([(1, 5, 6)]), tick(6)],
            [("firing", "breach", 3), ("resolved", "clear", 4), ("firing", "breach", 5)],
            id="a later breach begins anew",
        ),
        pytest.param(
            "max_10s > 5", 0, [closed([(1, 3, 6), (1, 5, 6)]), tick(6)],
            [("firing", "breach", 3)], id="a gap within one cut",
        ),
        pytest.param(
            "max_10s > 5", 20, [closed([(1, 3, 6)]), closed([(1, 4, 6)]), closed([(1, 5, 6)]), tick(6)],
            [("pending", "breach", 3), ("firing", "breach", 5)], id="fires when the breach has lasted",
        ),
        pytest.param(
            "max_10s > 5", 15, [closed([(1, 3, 6), (1, 4, 6), (1, 5, 6)]), tick(6)],
            [("pending", "breach", 3), ("firing", "breach", 5)], id="a duration that is no multiple of the step",
        ),
        pytest.param(
            "max_10s > 5", 20, [closed([(1, 3, 6), (1, 4, 1), (1, 5, 6), (1, 6, 6)]), tick(7)],
            [("pending", "breach", 3), ("cancelled", "clear", 4), ("pending", "breach", 5)],
            id="one clear window starts the duration anew",
        ),
        pytest.param(
            "max_10s > 5", 20, [closed([(1, 3, 6)]), tick(90)],
            [("pending", "breach", 3), ("cancelled", "no_data", 33)], id="a series that has ended is not pending",
        ),
        pytest.param(
            "max_10s > 5", 0, [tick(5), live([(1, 3, 6)]), closed([(1, 4, 6)])], [],
            id="windows behind the tick decide nothing",
        ),
        pytest.param(
            "max_10s > 5", 0, [live([(1, 3, 6), (2, 3, 6)])],
            [("firing", "breach", 3), ("firing", "breach", 3)], id="two series are two alerts",
        ),
    ],
)  # fmt: skip
def test_windows_move_an_alert(
    expr: str, for_s: int, messages: list[WindowRows], expected: list[tuple[str, str, int]]
) -> None:
    """Each sequence of messages brings exactly these transitions."""
    assert expected == after(partition(rule(f"api:response_seconds:{expr}", for_s)), messages)


def test_a_transition_shows_its_grounds() -> None:
    """The window, the value, the rule and the names that everybody will see."""
    state = partition(rule())
    state.fold(live([(1, 3, 6.5)], time=2))
    work = state.checkpoint()
    fired = work.transitions[0]

    assert ("g/Slow", "api:response_seconds:max_10s > 5", 5.0, 6.5, "live", 30_000, 20_000, 30_000) == (
        fired.rule, fired.expr, fired.threshold, fired.value, fired.decided_on,
        fired.window_start_ms, fired.watermark_ms, fired.episode_ms,
    )  # fmt: skip
    assert {"endpoint": "/1", "severity": "critical", "alertname": "Slow", "tenant": "7"} == fired.labels
    assert {"summary": "6.5 s"} == fired.annotations
    assert [("firing", 30_000)] == [(alert.state, alert.episode_ms) for alert in work.alerts]


def test_a_rule_that_is_removed_ends_its_alerts() -> None:
    """What fired resolves with a reason of its own, what was pending is dropped, what stays is left alone."""
    gone, waiting, kept = (
        rule(),
        rule(CLOSED_ONLY, 60, alert="Waiting"),
        rule(CLOSED_ONLY, alert="Kept"),
    )
    state = partition(gone, waiting, kept)
    state.fold(closed([(1, 3, 6)]))
    state.checkpoint()
    state.rule_set.replace([kept])
    state.fold(tick(4))

    assert [("cancelled", "g/Waiting"), ("resolved", "g/Slow")] == sorted(
        (each.transition, each.rule) for each in state.checkpoint().transitions
    )


def test_a_rule_whose_comparison_changes_begins_anew() -> None:
    """An alert stands for one comparison; a new threshold is another one."""
    state = partition(rule())
    state.fold(live([(1, 3, 6)]))
    state.rule_set.replace([rule("api:response_seconds:max_10s > 4")])

    assert [("firing", "breach", 3), ("resolved", "rule_removed", 3), ("firing", "breach", 4)] == after(
        state, [live([(1, 4, 5)])]
    )


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([rule("api:response_seconds:max_10s > 4")], id="the comparison changes"),
        pytest.param([], id="the rule goes and comes back"),
    ],
)
def test_a_reload_within_the_window_that_fired_does_not_use_its_name_again(between: list[Rule]) -> None:
    """Another episode named by that window would be told under keys that were used: nobody would hear of it."""
    state = partition(rule())
    state.fold(live([(1, 3, 6)]))
    state.rule_set.replace(between)
    state.fold(live([(1, 3, 6)]))
    state.rule_set.replace(between or [rule()])
    for message in (live([(1, 3, 7)]), closed([(1, 3, 7)]), tick(4), live([(1, 4, 8)])):
        state.fold(message)
    transitions = state.checkpoint().transitions

    assert [("firing", 3), ("resolved", 3), ("firing", 4)] == [
        (each.transition, each.episode_ms // BASE_MS) for each in transitions
    ]
    assert 3 == len({each.key for each in transitions})


def test_what_a_live_window_decides_is_not_in_the_future() -> None:
    """A rule that need not wait any more fires its pending alert within an open window: at its start, not its end."""
    state = partition(rule(for_s=30))
    state.fold(closed([(1, 3, 6)]))
    state.rule_set.replace([rule()])
    state.fold(live([(1, 4, 6)]))
    fired = state.checkpoint().transitions[-1]

    assert ("firing", "live", 4 * BASE_MS, 4 * BASE_MS) == (
        fired.transition, fired.decided_on, fired.at_ms, fired.fired_at_ms,
    )  # fmt: skip


@pytest.mark.parametrize("operation", ["avg", "sum", "last", "max"])
def test_what_is_not_finite_never_breaches(operation: str) -> None:
    """A sum beyond all numbers has no average either, and no receiver could be told of it."""
    assert [] == after(
        partition(rule(f"api:response_seconds:{operation}_10s > 5")), [closed([(1, 3, float("inf"))])]
    )


def test_a_live_window_that_may_shrink_waits_for_its_close() -> None:
    """What was taken back can undo a maximum, and increments of running totals are taken back at any time."""
    shrinking, done = live([(1, 3, 6), (2, 3, 6)]), closed([(1, 3, 6), (2, 3, 4)])
    for message in (shrinking, done):
        message.rows.estimated = np.array([True, True])

    assert [] == after(partition(rule()), [shrinking])
    assert [("firing", "breach", 3)] == after(partition(rule()), [shrinking, done, tick(4)])


def test_a_row_without_a_last_value_has_none_to_breach() -> None:
    """Such as one that holds nothing but what was taken back."""
    empty = closed([(1, 3, 0)])
    empty.rows.last_ms = np.array([np.iinfo(np.int64).min])

    assert [] == after(partition(rule("api:response_seconds:last_10s < 5")), [empty])


def test_an_episode_keeps_its_labels() -> None:
    """Receivers know an alert by its labels: what fired under some resolves under the same, whatever a reload says."""
    state = partition(rule())
    state.fold(live([(1, 3, 6)]))
    state.rule_set.replace([replace(rule(), labels={"severity": "page", "team": "web"})])
    for message in (closed([(1, 3, 6), (1, 4, 1)]), tick(5), live([(1, 5, 6)])):
        state.fold(message)
    labels = [each.labels for each in state.checkpoint().transitions]

    assert ["critical", "critical", "page"] == [each["severity"] for each in labels]
    assert [False, False, True] == ["team" in each for each in labels]


def test_a_series_that_is_not_sound_spoils_its_message_alone() -> None:
    """The message is refused with the state untouched, and the next one is judged."""
    state = partition(rule())

    def strict(packed: bytes) -> object:
        if packed == b"\x01":
            raise Rejected("bad_series", "series: no")
        return describe(packed)

    state.describe = strict  # type: ignore[assignment]
    with pytest.raises(Rejected):
        state.fold(live([(2, 3, 6)]))
    state.describe = describe

    assert [("firing", "breach", 3)] == after(state, [live([(2, 3, 6)])])


def test_what_is_over_is_forgotten() -> None:
    """Memory holds alerts that last, and those that ended until a tick has passed their window."""
    state = partition(rule())
    after(state, [live([(1, 3, 6)]), closed([(1, 3, 6), (1, 4, 1)])])
    assert 1 == len(state.alerts)

    after(state, [tick(5)])
    assert {} == state.alerts
    assert state.time_ms == 5 * BASE_MS
