"""Alerts: their states, and the transition that evaluation writes and dispatch delivers.

Times are milliseconds UTC of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.alerts.domain import identity

PENDING, FIRING, RESOLVED, CANCELLED = "pending", "firing", "resolved", "cancelled"
"""What an alert can be, and what becomes of one that was never firing."""

BREACH, CLEAR, NO_DATA, RULE_REMOVED = "breach", "clear", "no_data", "rule_removed"
"""What an evaluation finds, and so why an alert changed."""

LIVE, CLOSED, TICK, RULES = "live", "closed", "tick", "rules"
"""What an evaluation was decided on: an open window, a closed one, the watermark, new rules."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert, with the evaluation that it was decided on."""

    rule: str
    """Key of the rule."""
    series_id: int
    tenant_id: int
    episode_ms: int
    """Start of the window whose breach began the episode."""
    transition: str
    """The state that the alert came to."""
    reason: str
    at_ms: int
    """Event time of the change."""
    decided_on: str
    window_start_ms: int
    value: float
    threshold: float
    expr: str
    count: float
    """Points of the window; 0 when there were none."""
    revision: int
    watermark_ms: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    fingerprint: str
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    key: str
    """Idempotency key: the same whenever this transition is delivered."""

    @property
    def alert_id(self) -> str:
        """Names its alert."""
        return identity.alert_id(self.tenant_id, self.rule, self.labels)
