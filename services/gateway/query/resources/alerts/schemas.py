"""The answers of alerts as OpenAPI shows them.

Times are milliseconds UTC. The models describe answers; nothing is validated with them.
"""

from typing import Literal

from pydantic import BaseModel, Field

from services.gateway.query.resources.alerts.notes.http import NoteBody

State = Literal["pending", "firing", "resolved"]


class SaidBody(BaseModel):
    """What somebody said, and when."""

    actor: str
    text: str
    at_ms: int


class AlertBody(BaseModel):
    """The alert of a rule and a series as it stands now."""

    alert_id: str = Field(description="Names the alert, for ever")
    rule: str
    state: State
    fingerprint: str = Field(description="What Alertmanager makes of its labels; several alerts may have one")
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float
    expr: str
    episode_ms: int = Field(description="Start of the window whose breach began the episode")
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    updated_at_ms: int
    acknowledged: SaidBody | None = Field(description="Who is at this episode; null: nobody has said so")
    assigned_to: str | None
    resolved_by_hand: SaidBody | None = Field(description="Who has said that this episode is over")
    silenced_by: list[str] = Field(description="Silences in force that it is about")


class AlertsBody(BaseModel):
    """Alerts, the newest transition first."""

    alerts: list[AlertBody]
    truncated: bool


class TransitionBody(BaseModel):
    """One change of an alert's state with the window, value and rule it was decided on."""

    transition: Literal["pending", "firing", "resolved", "cancelled"]
    reason: str
    decided_on: str
    episode_ms: int
    at_ms: int
    window_start_ms: int
    value: float
    threshold: float
    expr: str
    count: float
    revision: int
    watermark_ms: int
    key: str = Field(description="Idempotency key of every notification of this transition")


class HistoryBody(BaseModel):
    """How an alert came to be as it is, newest first."""

    alert_id: str
    fingerprint: str
    rule: str
    labels: dict[str, str]
    transitions: list[TransitionBody]
    truncated: bool
    notes: list[NoteBody] = Field(description="What people said of its episodes, newest first, at most 1,000")
