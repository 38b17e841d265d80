"""The bodies as OpenAPI shows them.

Times are milliseconds UTC or, where marked, RFC 3339. The models describe bodies; requests are decoded with msgspec,
not validated with them.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field


class HistogramBody(BaseModel):
    """How many values lay in each bucket."""

    bounds: list[float] = Field(
        description="Upper ends of all buckets but the last, ascending; none: what was counted lies at 0"
    )
    counts: list[float] = Field(description="One more than bounds; at most 200", min_length=1, max_length=200)


class PointBody(BaseModel):
    """One value of a series at one instant, or one histogram."""

    name: str = Field(examples=["http.response_seconds"], max_length=200)
    value: float | None = Field(None, description="Must be given unless there is a histogram")
    histogram: HistogramBody | None = Field(
        None, description="In place of the value; kind `delta` or `cumulative`"
    )
    ts: int | str | None = Field(
        None, description="Milliseconds UTC or RFC 3339 with a zone; absent: receive time"
    )
    labels: dict[str, str] = Field({}, examples=[{"service": "checkout"}])
    kind: Literal["gauge", "delta", "cumulative"] = Field(
        "gauge",
        description="gauge: a level; delta: something to sum; cumulative: a running total, which is turned into "
        "increments",
    )
    unit: str = ""
    start_ts: int | str | None = Field(
        None,
        description="Kind `cumulative`: when the total began to run, as `ts`; with it the first total counts in full "
        "for 20 minutes, and writers of one series are told apart",
    )
    weight: float = Field(
        1.0, description="How many it stands for; negative retracts; not with kind `cumulative`"
    )
    sample_rate: float | None = Field(
        None, gt=0, le=1, description="In place of the weight: which part of all points was sent"
    )
    distinct: str | None = Field(
        None, description="A string to be counted once, however often it comes", max_length=1024
    )


class TelemetryBody(BaseModel):
    """Points to publish."""

    points: list[PointBody] = Field(min_length=1)
    batch_id: str | None = Field(
        None, description="In place of the header `Idempotency-Key`", min_length=1, max_length=255
    )


class EventBody(BaseModel):
    """One occurrence."""

    event_id: str = Field(description="Counts once, however often it is sent", min_length=1, max_length=128)
    type: str = Field(examples=["click", "error", "funnel_step"], max_length=64)
    name: str = Field("", max_length=200)
    ts: int | str | None = Field(
        None, description="Milliseconds UTC or RFC 3339 with a zone; absent: receive time"
    )
    session_id: str | None = Field(None, max_length=128)
    user_id: str | None = Field(None, max_length=128)
    properties: dict[str, object] = Field({}, description="At most 32 KiB and 20 levels deep")


class EventsBody(BaseModel):
    """Events to publish."""

    events: list[EventBody] = Field(min_length=1)


class RejectionBody(BaseModel):
    """A point or event refused for ever."""

    index: int
    code: str
    message: str


class WarningBody(BaseModel):
    """What a client should know although its points were taken."""

    code: str = Field(examples=["series_limit"])
    points: int
    message: str


class IntakeResultBody(BaseModel):
    """What became of the points or events."""

    accepted: int
    rejected: list[RejectionBody]
    warnings: list[WarningBody] = Field([], description="Left out where there is none")


class ProblemBody(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="Where docs/clients/answers.md says what to do about it")
    title: str
    status: int
    detail: str
    code: str
    message: str
    field: str | None = None
    outcome: Literal["not_accepted", "unknown"] | None = None
    ask: str | None = Field(None, description="With 421: the address that answers this")
    pointer: str | None = Field(None, description="Place in the body that is at fault (RFC 6901)")
    try_: dict[str, Any] | None = Field(None, alias="try", description="Fields that would be answered")


class WindowBody(BaseModel):
    """One window of one series."""

    metric: str
    kind: str
    unit: str
    labels: dict[str, str]
    start_ms: int
    end_ms: int
    count: float = Field(description="Sum of the weights")
    samples: int | None = Field(
        description="Points that came, whatever their weights, less those that took something back; null: not known"
    )
    sum: float
    min: float | None
    max: float | None
    last: float | None
    last_ms: int | None
    quantiles: dict[str, float | None]
    revision: int
    late_count: int
    watermark_ms: int
    final: bool = Field(description="False: the window is live")
    estimated: bool = Field(description="True: min and max are bounds, since something was taken back")
    kept_up: bool = Field(
        description="False: points that came later went into windows of the coarser tiers alone"
    )


class WindowsBody(BaseModel):
    """Windows in order of time and series."""

    windows: list[WindowBody]
    truncated: bool = Field(description="There are more: `next` leads to them")
    next: str | None = Field(description="Cursor of the page after this one; null: there is none")
    live: Literal["available", "unavailable"]
    kept_since_ms: int = Field(description="Windows that start before this are not in the tables")
    warnings: list[str]
