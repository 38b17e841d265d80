"""The life cycle of an alert: one pure function of the alert and an evaluation.

Times are milliseconds UTC of the log. Invariant: a window of a series moves an alert at most once, and an episode fires
once and ends once; its name is the start of the window of its first breach.
"""

import math
from dataclasses import replace

from services.alerts.domain.transition import (
    BREACH,
    CANCELLED,
    CLOSED,
    FIRING,
    LIVE,
    NO_DATA,
    PENDING,
    RESOLVED,
    RULE_REMOVED,
    RULES,
    TICK,
    Transition,
)
from services.alerts.evaluation.domain import fingerprint
from services.alerts.evaluation.domain.alert import Alert, Evaluation
from shared.model.window import BASE_MS

Step = tuple[Alert, tuple[Transition, ...]]
"""An alert as it stands, and the transitions that led there."""


def step(alert: Alert | None, evaluation: Evaluation) -> tuple[Alert | None, tuple[Transition, ...]]:
    """The alert after an evaluation, the same object when nothing changed, and its transitions in order."""
    if alert is None:
        return _begun(evaluation) if evaluation.outcome == BREACH else (None, ())
    if evaluation.decided_on == LIVE:
        return _live(alert, evaluation)
    if evaluation.decided_on == CLOSED:
        return _closed(alert, evaluation)
    if evaluation.decided_on == TICK:
        return _silent(alert, evaluation, evaluation.window_start_ms + 1)
    return _removed(alert, evaluation)


def removal(alert: Alert, time_ms: int | None) -> Evaluation:
    """The evaluation that ends an alert whose rule is gone, at the watermark of the latest tick."""
    end_ms = max(alert.last_closed_ms, alert.last_breach_ms) + BASE_MS
    return Evaluation(alert.rule, alert.series, RULE_REMOVED, RULES, alert.last_breach_ms, time_ms or end_ms)


def _live(alert: Alert, evaluation: Evaluation) -> Step:
    """An open window can begin or prolong an episode, and end none."""
    start_ms = evaluation.window_start_ms
    if evaluation.outcome != BREACH:
        return alert, ()
    if not alert.active:
        return _begun(evaluation) if start_ms > alert.last_closed_ms else (alert, ())
    return _breached(alert, evaluation) if start_ms > alert.last_breach_ms else (alert, ())


def _closed(alert: Alert, evaluation: Evaluation) -> Step:
    """A closed window is evaluated once, after the windows before it that had no points."""
    if evaluation.window_start_ms <= alert.last_closed_ms:
        return alert, ()
    alert, silent = _silent(alert, evaluation, evaluation.window_start_ms)
    if alert.active:
        alert, moved = (
            _breached(alert, evaluation) if evaluation.outcome == BREACH else _cleared(alert, evaluation)
        )
    elif evaluation.outcome == BREACH:
        alert, moved = _begun(evaluation)
    else:
        alert, moved = replace(alert, last_closed_ms=evaluation.window_start_ms), ()
    return alert, silent + moved


def _silent(alert: Alert, evaluation: Evaluation, end_ms: int) -> Step:
    """Evaluate the windows between the latest that was evaluated and `end_ms`: they had no points."""
    moved: tuple[Transition, ...] = ()
    while alert.active and alert.last_closed_ms + BASE_MS < end_ms:
        silent = Evaluation(
            alert.rule, alert.series, NO_DATA, TICK, alert.last_closed_ms + BASE_MS, evaluation.watermark_ms
        )
        alert, moved = _cleared(alert, silent)
    return alert, moved


def _begun(evaluation: Evaluation) -> Step:
    """A new episode with the first breach."""
    rule, start_ms, at_ms = evaluation.rule, evaluation.window_start_ms, evaluation.at_ms
    state = FIRING if rule.for_ms == 0 else PENDING
    alert = Alert(
        rule, evaluation.series, state,
        episode_ms=start_ms,
        active_at_ms=at_ms,
        last_closed_ms=start_ms - BASE_MS if evaluation.decided_on == LIVE else start_ms,
        last_breach_ms=start_ms,
        value=evaluation.value,
        fired_at_ms=at_ms if state == FIRING else None,
    )  # fmt: skip
    return alert, (_transition(alert, state, at_ms, evaluation),)


def _breached(alert: Alert, evaluation: Evaluation) -> Step:
    """A window of the present episode breaches; one that has lasted long enough fires."""
    start_ms = evaluation.window_start_ms
    alert = replace(
        alert,
        value=evaluation.value,
        last_breach_ms=max(alert.last_breach_ms, start_ms),
        last_closed_ms=start_ms if evaluation.decided_on == CLOSED else alert.last_closed_ms,
    )
    if alert.state == PENDING and evaluation.window_end_ms - alert.active_at_ms >= alert.rule.for_ms:
        alert = replace(alert, state=FIRING, fired_at_ms=evaluation.at_ms)
        return alert, (_transition(alert, FIRING, evaluation.at_ms, evaluation),)
    return alert, ()


def _cleared(alert: Alert, evaluation: Evaluation) -> Step:
    """A closed window does not breach, or had no points; it ends the episode unless a newer one breaches."""
    alert = replace(alert, last_closed_ms=evaluation.window_start_ms)
    if evaluation.window_start_ms <= alert.last_breach_ms:
        return alert, ()
    return _ended(alert, evaluation, evaluation.window_end_ms)


def _removed(alert: Alert, evaluation: Evaluation) -> Step:
    """The rule is gone or says something else, which ends an episode.

    The windows up to its last breach are its own: a new episode of the same name would have the keys of this one, and
    no receiver would be notified.
    """
    if not alert.active:
        return alert, ()
    last_ms = max(alert.last_closed_ms, alert.last_breach_ms)
    alert = replace(alert, last_closed_ms=last_ms)
    return _ended(alert, evaluation, last_ms + BASE_MS)


def _ended(alert: Alert, evaluation: Evaluation, at_ms: int) -> Step:
    """The episode is over."""
    kind = RESOLVED if alert.state == FIRING else CANCELLED
    alert = replace(alert, state=RESOLVED, resolved_at_ms=at_ms)
    return alert, (_transition(alert, kind, at_ms, evaluation),)


def _transition(alert: Alert, kind: str, at_ms: int, evaluation: Evaluation) -> Transition:
    labels = alert.labels
    return Transition(
        rule=alert.rule.key,
        series_id=alert.series.series_id,
        tenant_id=alert.series.tenant_id,
        episode_ms=alert.episode_ms,
        transition=kind,
        reason=evaluation.outcome,
        at_ms=at_ms,
        decided_on=evaluation.decided_on,
        window_start_ms=evaluation.window_start_ms,
        value=evaluation.value if math.isfinite(evaluation.value) else alert.value,
        threshold=alert.rule.comparison.threshold,
        expr=alert.rule.comparison.text,
        count=evaluation.count,
        revision=evaluation.revision,
        watermark_ms=evaluation.watermark_ms,
        labels=labels,
        annotations=alert.annotations,
        fingerprint=fingerprint.fingerprint(labels),
        active_at_ms=alert.active_at_ms,
        fired_at_ms=alert.fired_at_ms,
        resolved_at_ms=alert.resolved_at_ms,
        key=fingerprint.key(alert.rule.key, alert.series.series_id, alert.episode_ms, kind),
    )
