"""Alerts follow from the log alone: repeats change nothing, and a crash anywhere changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.domain.transition import Transition
from services.alerts.evaluation.domain.alert import Alert
from services.alerts.evaluation.domain.history import KeptWindows
from services.alerts.evaluation.service import AlertWork, PartitionAlerts, WindowRows
from shared.alerts.rules.expression import parse
from shared.model.window import BASE_MS
from tests.support.alerting import Row, closed, live, partition, rule, tick

RULES = (
    rule(),
    rule("api:response_seconds:p95_10s > 3", 20, alert="Lasting"),
    rule("api:response_seconds:last_10s > 3", alert="Kept", keep_firing_ms=30_000, lookback_ms=30_000),
    rule("increase(api_response_seconds[30s]) > 5", 10, alert="Burst"),
    rule("avg_over_time(api_response_seconds[1m]) > 3", alert="Average", lookback_ms=30_000),
    rule("api:response_seconds:last_10s > 5", alert="Band", clear=parse("api:response_seconds:last_10s < 3")),
)

RULE_SETS = (
    RULES,
    (rule("api:response_seconds:max_10s > 3"), RULES[1]),
    (rule(for_s=20),),
    (rule(), rule("api:response_seconds:p95_10s > 3", alert="Lasting")),
    (),
)
"""What a reload may bring: the same, other thresholds, other durations, nothing."""

values = st.sampled_from((None, 1.0, 4.0, 6.0))
"""What a series measures in a window; None: nothing."""


@st.composite
def logs(draw: st.DrawFn) -> list[WindowRows]:
    """A log as the aggregator writes it: live looks at windows, their close in one or more cuts, ticks."""
    messages: list[WindowRows] = []
    waiting: list[Row] = []
    window = 0
    for _ in range(draw(st.integers(1, 8))):
        # Now and then all are silent, for so long that a series is gone.
        window += draw(st.sampled_from((1, 1, 1, 1, 2, 7, 33)))
        rows = [(series, window, value) for series in (1, 2) if (value := draw(values)) is not None]
        looks = range(draw(st.integers(0, 2)))
        messages += [live([row for row in rows if draw(st.booleans())] or rows) for _ in looks]
        waiting += rows
        if draw(st.booleans()):
            messages += [closed(waiting)] if waiting else []
            messages.append(tick(window + 1))
            waiting = []
    return messages


def facts(transitions: Sequence[Transition]) -> list[tuple[str, str, str]]:
    """What each transition says, whatever happened around it."""
    return [(each.key, each.transition, each.reason) for each in transitions]


def straight(messages: Sequence[WindowRows]) -> list[tuple[str, str, str]]:
    """The transitions of a log that is read once."""
    state = partition(*RULES)
    for message in messages:
        state.fold(message)
    return facts(state.checkpoint().transitions)


@given(logs())
def test_every_episode_fires_once_and_ends_once(messages: list[WindowRows]) -> None:
    """No key comes twice, whatever windows say."""
    keys = [key for key, *_ in straight(messages)]

    assert len(set(keys)) == len(keys)


@given(logs(), st.data())
@settings(max_examples=200)
def test_messages_that_come_twice_change_nothing(messages: list[WindowRows], data: st.DataObject) -> None:
    """What was said last, however far back and whatever it was, may be said again at any time."""
    again: list[WindowRows] = []
    for said, message in enumerate(messages, 1):
        again.append(message)
        if data.draw(st.integers(0, 3)) == 0:
            again += messages[data.draw(st.integers(0, said)) : said]

    assert straight(messages) == straight(again)


@given(logs(), st.data())
@settings(max_examples=200)
def test_no_key_comes_twice_whatever_the_rules_become(
    messages: list[WindowRows], data: st.DataObject
) -> None:
    """The outbox takes a key once: what a reload begins must not bear the name of what it ended."""
    state = partition(*RULES)
    for message in messages:
        if data.draw(st.integers(0, 3)) == 0:
            state.rule_set.replace(data.draw(st.sampled_from(RULE_SETS)))
        state.fold(message)
    transitions = state.checkpoint().transitions
    keys = [each.key for each in transitions]

    assert len(set(keys)) == len(keys)
    assert all((each.resolved_at_ms or each.at_ms) >= (each.fired_at_ms or 0) for each in transitions)


class Tables:
    """What a commit leaves."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, int], Alert] = {}
        self.windows: list[KeptWindows] = []
        self.since_ms: Mapping[str, int] = {}

    def save(self, work: AlertWork) -> None:
        """Write it, as the adapters do."""
        self.alerts |= {(alert.rule.key, alert.series.series_id): alert for alert in work.alerts}
        history = work.history
        if history.reached_ms is not None:
            self.windows = [one for one in self.windows if one.rows.start_ms.max() >= history.reached_ms]
        self.windows += [] if history.added is None else [history.added]
        self.since_ms = self.since_ms if history.since_ms is None else history.since_ms


@given(logs(), st.data())
@settings(max_examples=200)
def test_a_crash_anywhere_changes_nothing(messages: list[WindowRows], data: st.DataObject) -> None:
    """What is restored from the tables goes on as what was never lost."""
    tables = Tables()
    found: list[tuple[str, str, str]] = []
    state, committed, at = partition(*RULES), 0, 0
    time_ms: int | None = None
    while at < len(messages):
        state.fold(messages[at])
        at += 1
        if data.draw(st.booleans()):
            work = state.checkpoint()
            found += facts(work.transitions)
            tables.save(work)
            committed, time_ms = at, state.time_ms
        elif data.draw(st.integers(0, 3)) == 0:
            state, at = restored(time_ms, tables), committed
    found += facts(state.checkpoint().transitions)

    assert straight(messages) == found


def restored(time_ms: int | None, tables: Tables) -> PartitionAlerts:
    """A partition as the tables leave it: active alerts, and those that ended in a window no tick has passed."""
    kept = [
        replace(alert)
        for alert in tables.alerts.values()
        if alert.active or alert.last_closed_ms + BASE_MS > (time_ms or 0)
    ]
    state = partition(*RULES, time=None if time_ms is None else time_ms // BASE_MS, alerts=kept)
    windows = [KeptWindows(one.series, one.rows.take(np.arange(len(one.rows)))) for one in tables.windows]
    state.history.restore(windows, tables.since_ms, time_ms or 0)
    return state
