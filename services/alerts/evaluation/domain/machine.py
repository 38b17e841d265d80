"""The machine: one pure function of an alert and an evaluation.

Times are milliseconds UTC of the log. Invariant: a window of a series moves an alert at most once, and an episode fires
once and ends once; its name is the start of the window of its first breach. A step without a sample moves nothing but
what time alone moves.
"""

import math
from dataclasses import replace

from services.alerts.domain.transition import (
    BREACH,
    CANCELLED,
    CLEAR,
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
from services.alerts.evaluation.domain.alert import BAND, GONE, NONE, Alert, Evaluation
from services.alerts.evaluation.domain.lookback import due, heard, heard_at_ms, heard_window_ms
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
        return _passed(alert, evaluation, evaluation.window_end_ms)
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
    """A closed window is evaluated once, after the steps before it that had no sample."""
    start_ms = evaluation.window_start_ms
    if start_ms <= alert.last_closed_ms:
        return alert, ()
    alert, passed = _passed(alert, evaluation, start_ms)
    if not alert.active and evaluation.outcome == BREACH:
        alert, moved = _begun(evaluation)
        return alert, passed + moved
    if not alert.active:
        return replace(alert, last_closed_ms=start_ms), passed
    alert = heard(alert, evaluation, last_closed_ms=start_ms)
    alert, moved = _SAMPLED[evaluation.outcome](alert, evaluation)
    return alert, passed + moved


def _passed(alert: Alert, evaluation: Evaluation, end_ms: int) -> Step:
    """What time alone does up to `end_ms`, each at its own step."""
    moved: tuple[Transition, ...] = ()
    while (found := due(alert)) is not None and found.at_ms <= end_ms:
        one = Evaluation(
            alert.rule, alert.series, found.outcome, TICK, found.at_ms - BASE_MS, evaluation.watermark_ms
        )
        alert, now = _gone(alert, one) if found.outcome == GONE else _unsampled(alert, one)
        moved += now
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
        heard_ms=heard_at_ms(evaluation),
        heard_window_ms=heard_window_ms(evaluation),
    )  # fmt: skip
    return alert, (_transition(alert, state, BREACH, evaluation),)


def _breached(alert: Alert, evaluation: Evaluation) -> Step:
    """A window of the present episode breaches; one that has lasted long enough fires."""
    start_ms = evaluation.window_start_ms
    if evaluation.decided_on == LIVE:
        alert = heard(alert, evaluation, last_closed_ms=alert.last_closed_ms)
    alert = replace(
        alert,
        value=evaluation.value,
        last_breach_ms=max(alert.last_breach_ms, start_ms),
        recovering_since_ms=None,
    )
    return _matured(alert, evaluation)


def _matured(alert: Alert, evaluation: Evaluation) -> Step:
    """One that is pending fires when the breach has lasted."""
    if alert.state != PENDING or evaluation.window_end_ms - alert.active_at_ms < alert.rule.for_ms:
        return alert, ()
    alert = replace(alert, state=FIRING, fired_at_ms=evaluation.at_ms)
    return alert, (_transition(alert, FIRING, BREACH, evaluation),)


def _cleared(alert: Alert, evaluation: Evaluation) -> Step:
    """A closed window is clear: that ends the episode, or lets it recover, unless a newer window breaches."""
    if evaluation.window_start_ms <= alert.last_breach_ms:
        return alert, ()
    if alert.state == PENDING or not alert.rule.keep_firing_ms:
        return _ended(alert, CLEAR, evaluation)
    if alert.recovering_since_ms is None:
        return replace(alert, recovering_since_ms=evaluation.window_end_ms), ()
    return _recovered(alert, evaluation)


def _recovered(alert: Alert, evaluation: Evaluation) -> Step:
    """One that recovers ends when it has been clear for long enough."""
    since_ms = alert.recovering_since_ms
    if since_ms is None or evaluation.window_end_ms - since_ms < alert.rule.keep_firing_ms:
        return alert, ()
    return _ended(alert, CLEAR, evaluation)


def _between(alert: Alert, evaluation: Evaluation) -> Step:
    """A closed window neither breaches nor is clear: what fires goes on, what is pending is dropped."""
    if evaluation.window_start_ms <= alert.last_breach_ms:
        return alert, ()
    if alert.state == PENDING:
        return _ended(alert, CLEAR, evaluation)
    return replace(alert, value=evaluation.value, recovering_since_ms=None), ()


def _unsampled(alert: Alert, evaluation: Evaluation) -> Step:
    """No sample: the state holds, and time counts for a level that is pending and for what recovers."""
    if alert.state == PENDING and alert.series.is_level:
        return _matured(alert, evaluation)
    return _recovered(alert, evaluation)


def _gone(alert: Alert, evaluation: Evaluation) -> Step:
    """The series has ended, and with it the episode."""
    return _ended(alert, NO_DATA, evaluation)


_SAMPLED = {BREACH: _breached, CLEAR: _cleared, BAND: _between, NONE: _unsampled}
"""What a closed window does, by its outcome."""


def _removed(alert: Alert, evaluation: Evaluation) -> Step:
    """The rule is gone or says something else, which ends an episode.

    The windows up to its last breach are its own: a new episode of the same name would have the keys of this one, and
    no receiver would be notified.
    """
    if not alert.active:
        return alert, ()
    last_ms = max(alert.last_closed_ms, alert.last_breach_ms)
    # What fired by time alone did so after its last window.
    end_ms = max(last_ms + BASE_MS, alert.fired_at_ms or 0)
    return _ended(replace(alert, last_closed_ms=last_ms), RULE_REMOVED, evaluation, end_ms)


def _ended(alert: Alert, reason: str, evaluation: Evaluation, at_ms: int | None = None) -> Step:
    """The episode is over, at the end of the window unless another time is given."""
    kind = RESOLVED if alert.state == FIRING else CANCELLED
    end_ms = evaluation.window_end_ms if at_ms is None else at_ms
    alert = replace(
        alert,
        state=RESOLVED,
        resolved_at_ms=end_ms,
        last_closed_ms=max(alert.last_closed_ms, end_ms - BASE_MS),
        recovering_since_ms=None,
    )
    return alert, (_transition(alert, kind, reason, evaluation),)


def _transition(alert: Alert, kind: str, reason: str, evaluation: Evaluation) -> Transition:
    labels = alert.labels
    ended_ms = alert.resolved_at_ms
    return Transition(
        rule=alert.rule.key,
        series_id=alert.series.series_id,
        tenant_id=alert.series.tenant_id,
        episode_ms=alert.episode_ms,
        transition=kind,
        reason=reason,
        at_ms=evaluation.at_ms if ended_ms is None else ended_ms,
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
