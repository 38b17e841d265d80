"""The answers of funnels as OpenAPI shows them.

Times are milliseconds UTC, rates 0 to 1. The models describe answers; nothing is validated with them.
"""

from pydantic import BaseModel, Field


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
