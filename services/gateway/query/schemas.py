"""The answers of funnels, alerts and dashboards as OpenAPI shows them.

Times are milliseconds UTC, rates 0 to 1. The models describe answers; nothing is validated with them.
"""

from typing import Literal

from pydantic import BaseModel, Field

State = Literal["pending", "firing", "resolved"]
Verdict = Literal["ok", "degraded", "down"]


class FunnelBody(BaseModel):
    """A funnel that can be asked for."""

    funnel: str = Field(examples=["effect_creation"])
    steps: list[str] = Field(description="In order, the entry first")


class FunnelsBody(BaseModel):
    """All funnels."""

    funnels: list[FunnelBody]


class StepBody(BaseModel):
    """One step of a funnel."""

    step: int = Field(description="0 is the entry")
    name: str
    sessions: int = Field(description="Sessions that reached it in order")
    rate: float | None = Field(description="Share of the entries; null without entries")
    drop_off: int = Field(description="Sessions that reached the step before but not this one")
    drop_off_rate: float | None = Field(description="Share of the step before; null when that is empty")
    median_ms: float | None = Field(description="Median time from the step before; null when nobody came")


class FunnelReportBody(BaseModel):
    """What became of the sessions that entered a funnel in a range."""

    funnel: str
    from_ms: int
    to_ms: int
    entries: int
    completed: int
    completion_rate: float | None
    steps: list[StepBody]
    out_of_order: int = Field(
        description="Steps sent before those that lead to them, by sessions first seen in the range"
    )
    largest_drop: str | None = Field(description="Name of the step with the largest drop-off")


class AccountBody(BaseModel):
    """What came in, and what became of it: rows of points (a histogram has one a bucket), or events."""

    received: int = Field(description="From clients, what was refused included")
    derived: int = Field(description="Points that Tidegauge made of events")
    counted: int = Field(description="In the tables")
    duplicate: int = Field(description="Repeats, left out")
    conflict: int = Field(description="Repeats of a batch id with another body, left out")
    stale_total: int = Field(description="Running totals that came too late to count from")
    contested_total: int = Field(
        description="Running totals that several writers send as one series: they count nothing"
    )
    lost: int = Field(
        description="Messages of the log that vanished before they were counted; whose points they held is not known"
    )
    rejected: dict[str, int] = Field(description="Refused in answers, by code")
    dead_lettered: dict[str, int] = Field(description="In messages that could not be used, by code")
    difference: int = Field(
        description="What came in less what became of it; other than 0 is a fault of ours, or a loss"
    )


class MinuteBody(AccountBody):
    """A minute of the log: when the broker appended what came in."""

    minute_ms: int = Field(description="Start of the minute")


class LedgerBody(BaseModel):
    """What became of what a tenant sent, minute by minute; minutes without anything are left out."""

    signal: Literal["points", "events"]
    from_ms: int
    to_ms: int
    complete_until_ms: int | None = Field(
        description="All of the log up to here is in; null where that is not known, as with events"
    )
    minutes: list[MinuteBody]
    total: AccountBody


class BatchBody(BaseModel):
    """A batch of points of which something has counted."""

    batch_id: str = Field(description="Its key")
    counted_since_ms: int = Field(description="Receive time of the earliest of its messages, to the second")
    partitions: int = Field(description="In how many partitions of the log it has counted so far")
    rows: int = Field(description="How many of its rows have; a histogram has one for each bucket")


class AlertBody(BaseModel):
    """The alert of a rule and a series as it stands now."""

    rule: str
    state: State
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float
    expr: str
    episode_ms: int = Field(description="Start of the window whose breach began the episode")
    active_at_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    updated_at_ms: int


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

    fingerprint: str
    rule: str
    labels: dict[str, str]
    transitions: list[TransitionBody]
    truncated: bool


class MetricBody(BaseModel):
    """The closed windows of all series of a metric, merged."""

    metric: str
    unit: str
    kind: str
    count: float
    samples: int | None = Field(
        description="Points that came, whatever their weights; null: not known of all"
    )
    average: float | None = Field(description="Null when nothing is left to divide by")
    p50: float | None
    p95: float | None
    p99: float | None
    min: float | None
    max: float | None


class FiringBody(BaseModel):
    """An alert that fires."""

    rule: str
    state: Literal["firing"]
    fingerprint: str
    labels: dict[str, str]
    value: float
    fired_at_ms: int | None


class PerformanceBody(BaseModel):
    """A tenant's metrics over the last 15 minutes, and what fires."""

    from_ms: int
    to_ms: int
    complete_to_ms: int | None = Field(description="End of the latest window included; null without any")
    metrics: list[MetricBody]
    truncated: bool
    alerts: list[FiringBody] = Field(description="At most 100, newest first")


class GatewayHealthBody(BaseModel):
    """How the gateway is."""

    status: Verdict


class ServiceHealthBody(BaseModel):
    """How a service is, judged by the partitions of its topic."""

    status: Verdict
    partitions: int
    partitions_owned: int
    oldest_commit_s: float | None
    watermark_lag_s: float | None
    quiet: bool = Field(description="Nothing came for a while, so that only ownership could be judged")
    partitions_stopped: int = Field(
        description="Stopped because too many messages were bad; `tidegauge dead-letters` shows and resumes them"
    )


class ServicesBody(BaseModel):
    """All services."""

    gateway: GatewayHealthBody
    ingest: ServiceHealthBody
    aggregator: ServiceHealthBody
    alerts: ServiceHealthBody


class SystemHealthBody(BaseModel):
    """How everything is; no better than its worst part."""

    status: Verdict
    dependencies: dict[Literal["kafka", "postgres", "redis"], Literal["up", "down"]]
    services: ServicesBody
