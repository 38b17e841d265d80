"""The life of an alert: pending, firing, resolved, and the evaluation behind every change.

Times are milliseconds UTC of the log. The law: one window of one series moves an alert at most once, an episode fires
once and resolves once, and its name is the start of the window of its first breach.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.alerts.domain import fingerprint, template
from services.alerts.domain.rule import Rule
from shared.model.window import BASE_MS

PENDING, FIRING, RESOLVED, CANCELLED = "pending", "firing", "resolved", "cancelled"
"""What an alert can be, and what becomes of one that was never firing."""

BREACH, CLEAR, NO_DATA, RULE_REMOVED = "breach", "clear", "no_data", "rule_removed"
"""Why it changed."""

LIVE, CLOSED, TICK, RULES = "live", "closed", "tick", "rules"
"""What it was decided on."""


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """The series that an alert is about."""

    series_id: int
    tenant_id: int
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One judgement of one window."""

    window_start_ms: int
    value: float
    count: float
    """Points of the window; 0 when there were none."""
    revision: int
    watermark_ms: int
    decided_on: str

    @property
    def window_end_ms(self) -> int:
        """End of the window."""
        return self.window_start_ms + BASE_MS

    @property
    def at_ms(self) -> int:
        """When it was so: at the end of the window, and for one that is open, whose end is to come, at its start."""
        return self.window_start_ms if self.decided_on == LIVE else self.window_end_ms


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert, with all that it was decided on."""

    rule: str
    """Key of the rule."""
    series: SeriesRef
    transition: str
    reason: str
    at_ms: int
    """Event time of the change."""
    episode_ms: int
    evaluation: Evaluation
    threshold: float
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    fingerprint: str
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    key: str
    """The same whenever this transition is told."""


@dataclass(slots=True)
class Alert:
    """The alert of a rule and a series as it stands."""

    rule: Rule
    series: SeriesRef
    state: str
    episode_ms: int
    active_at_ms: int
    last_closed_ms: int
    """Start of the latest closed window that was judged."""
    last_breach_ms: int
    """Start of the latest window known to breach."""
    value: float
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None

    @property
    def active(self) -> bool:
        """Whether its episode lasts."""
        return self.state != RESOLVED

    @property
    def labels(self) -> dict[str, str]:
        """What names it to people."""
        return labels_of(self.rule, self.series)

    @property
    def annotations(self) -> dict[str, str]:
        """What is said of it."""
        labels = self.labels
        return {
            name: template.filled(text, self.value, labels) for name, text in self.rule.annotations.items()
        }

    def breach(self, evaluation: Evaluation) -> Transition | None:
        """A window of the present episode breaches."""
        self.last_breach_ms = max(self.last_breach_ms, evaluation.window_start_ms)
        self.value = evaluation.value
        if evaluation.decided_on == CLOSED:
            self.last_closed_ms = evaluation.window_start_ms
        if self.state == PENDING and evaluation.window_end_ms - self.active_at_ms >= self.rule.for_ms:
            self.state, self.fired_at_ms = FIRING, evaluation.at_ms
            return self._changed(FIRING, BREACH, evaluation.at_ms, evaluation)
        return None

    def clear(self, evaluation: Evaluation, reason: str) -> Transition | None:
        """A closed window does not breach, or had no points; it ends the episode unless a newer one breaches."""
        self.last_closed_ms = evaluation.window_start_ms
        if evaluation.window_start_ms <= self.last_breach_ms:
            return None
        return self.end(evaluation, reason, evaluation.window_end_ms)

    def end(self, evaluation: Evaluation, reason: str, at_ms: int) -> Transition:
        """The episode is over."""
        ended = RESOLVED if self.state == FIRING else CANCELLED
        self.state, self.resolved_at_ms = RESOLVED, at_ms
        return self._changed(ended, reason, at_ms, evaluation)

    def _changed(self, transition: str, reason: str, at_ms: int, evaluation: Evaluation) -> Transition:
        labels = self.labels
        return Transition(
            rule=self.rule.key,
            series=self.series,
            transition=transition,
            reason=reason,
            at_ms=at_ms,
            episode_ms=self.episode_ms,
            evaluation=evaluation,
            threshold=self.rule.comparison.threshold,
            expr=self.rule.comparison.text,
            labels=labels,
            annotations=self.annotations,
            fingerprint=fingerprint.fingerprint(labels),
            active_at_ms=self.active_at_ms,
            fired_at_ms=self.fired_at_ms,
            resolved_at_ms=self.resolved_at_ms,
            key=fingerprint.key(self.rule.key, self.series.series_id, self.episode_ms, transition),
        )


def begin(rule: Rule, series: SeriesRef, evaluation: Evaluation) -> tuple[Alert, Transition]:
    """A new episode with the first breach."""
    start_ms, at_ms = evaluation.window_start_ms, evaluation.at_ms
    state = FIRING if rule.for_ms == 0 else PENDING
    alert = Alert(
        rule, series, state,
        episode_ms=start_ms,
        active_at_ms=at_ms,
        last_closed_ms=start_ms - BASE_MS if evaluation.decided_on == LIVE else start_ms,
        last_breach_ms=start_ms,
        value=evaluation.value,
        fired_at_ms=at_ms if state == FIRING else None,
    )  # fmt: skip
    return alert, alert._changed(state, BREACH, at_ms, evaluation)  # noqa: SLF001  the first change is its birth


def labels_of(rule: Rule, series: SeriesRef) -> dict[str, str]:
    """The labels of an alert: those of its series, then the rule's, then its name and tenant."""
    return {**series.labels, **rule.labels, "alertname": rule.alert, "tenant": str(series.tenant_id)}
