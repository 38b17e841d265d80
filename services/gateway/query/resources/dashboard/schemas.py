"""The answers of dashboards and of the system's health as OpenAPI shows them.

Times are milliseconds UTC. The models describe answers; nothing is validated with them.
"""

from typing import Literal

from pydantic import BaseModel, Field

Verdict = Literal["ok", "degraded", "down"]


class MetricBody(BaseModel):
    """All series of a metric, merged, as a question answers it."""

    metric: str
    unit: str
    kind: str
    count: float | None = Field(description="Null where `error` says why there are no figures")
    samples: int | None = Field(
        description="Points that came, whatever their weights; null: not known of all"
    )
    average: float | None = Field(description="Null when nothing is left to divide by")
    p50: float | None
    p95: float | None
    p99: float | None
    min: float | None
    max: float | None
    error: str | None = Field(description="Why it has no figures, such as `too_expensive`; null: it has")


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

    status: Literal["ok"]
    cached: bool = Field(description="No table had to be read")
    live: Literal["available", "unavailable"]
    from_ms: int
    to_ms: int
    complete_to_ms: int | None = Field(description="Before this nothing is missing; null without any metric")
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
