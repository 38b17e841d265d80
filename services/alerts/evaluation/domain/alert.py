"""An alert as it stands, and the evaluation that moves it.

Times are milliseconds UTC of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.alerts.domain.identity import labels_with
from services.alerts.domain.transition import LIVE, NO_DATA, RESOLVED
from shared.alerts.rules import template
from shared.alerts.rules.model import Rule
from shared.model.window import BASE_MS

NONE, BAND, GONE = "none", "band", NO_DATA
"""What an evaluation finds beside a breach and a clear: no sample, neither of both, and a series that has ended."""


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """The series that an alert is about."""

    series_id: int
    tenant_id: int
    labels: Mapping[str, str]
    metric: str = ""
    """Its metric, kind and unit tell it from series with the same labels; empty when these labels hold them."""
    kind: str = ""
    unit: str = ""
    is_level: bool = False
    """Whether it is a gauge: its last value goes on between points."""

    @property
    def named(self) -> dict[str, str]:
        """The labels that tell it from series with the same labels."""
        names = {"metric": self.metric, "kind": self.kind, "unit": self.unit}
        return {name: value for name, value in names.items() if value}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One judgement of a rule on one window of a series."""

    rule: Rule
    series: SeriesRef
    outcome: str
    """`breach`, `clear`, `band`, `none`, `no_data`, or `rule_removed` when the rule is evaluated no more."""
    decided_on: str
    """`live`, `closed`, `tick` or `rules`."""
    window_start_ms: int
    """For a tick the latest window that has ended by then."""
    watermark_ms: int
    value: float = float("nan")
    """The aggregate; NaN when the window has none."""
    count: float = 0.0
    """Points of the window; 0 when there were none."""
    revision: int = 0
    heard: tuple[int, int] | None = None
    """Of a range: start of the latest window with points, and the step at which that was heard."""

    @property
    def window_end_ms(self) -> int:
        """End of the window."""
        return self.window_start_ms + BASE_MS

    @property
    def at_ms(self) -> int:
        """When it was so: at the end of the window, and for one that is open, whose end is to come, at its start."""
        return self.window_start_ms if self.decided_on == LIVE else self.window_end_ms


@dataclass(frozen=True, slots=True)
class Alert:
    """The alert of a rule and a series as it stands."""

    rule: Rule
    series: SeriesRef
    state: str
    episode_ms: int
    active_at_ms: int
    last_closed_ms: int
    """Start of the latest closed window that was evaluated."""
    last_breach_ms: int
    """Start of the latest window known to breach."""
    value: float
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    heard_ms: int = 0
    """Step at which its series was heard last: the end of a window, or the watermark if that was further."""
    heard_window_ms: int = 0
    """Start of the latest window with points of the series."""
    hearings: int = 1
    """How often the series was heard in this episode."""
    gap_ms: int = 0
    """Longest time between two hearings."""
    recovering_since_ms: int | None = None
    """Since when it is clear and kept firing."""

    @property
    def active(self) -> bool:
        """Whether its episode lasts."""
        return self.state != RESOLVED

    @property
    def labels(self) -> dict[str, str]:
        """What names it to people: what its series is, the labels of that, then the rule's, its name and tenant."""
        given = {**self.rule.labels, "alertname": self.rule.alert, "tenant": str(self.series.tenant_id)}
        named = self.series.named
        if not named:
            return {**self.series.labels, **given}
        return labels_with(labels_with(self.series.labels, named), given)

    @property
    def annotations(self) -> dict[str, str]:
        """What is said of it."""
        labels = self.labels
        return {
            name: template.filled(text, self.value, labels) for name, text in self.rule.annotations.items()
        }
