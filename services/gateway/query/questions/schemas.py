"""The answers of questions as OpenAPI shows them.

Times are milliseconds UTC, lengths hours. The models describe answers; nothing is validated with them.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field


class SeriesBody(BaseModel):
    """Figures of one group, an array with one entry a window."""

    labels: dict[str, str] = Field(description="Of the group; one that its series lack is absent")
    samples: list[int | None] = Field(description="Points that came; null: not known")
    revision: list[int] = Field(description="How often what is in it was revised")
    late: list[int] = Field(description="Points that came after the window had closed")
    values: dict[str, list[Any]] = Field(
        description="By figure; a quantile also has its `_low` and `_high` end"
    )


class AnswerBody(BaseModel):
    """The answer of one question, or its refusal."""

    id: str
    error: dict[str, Any] | None = Field(None, description="A problem document, where it is refused")
    metric: str | None = None
    kind: str | None = None
    unit: str | None = None
    resolution: str | None = None
    tz: str | None = None
    start_ms: list[int] | None = None
    end_ms: list[int] | None = None
    hours: list[float] | None = Field(None, description="True length of each window")
    complete: list[bool] | None = Field(None, description="Whether each window has closed everywhere")
    complete_until_ms: int | None = Field(None, description="Up to when; not beyond the last window")
    series: list[SeriesBody] | None = None
    rest: dict[str, Any] | None = Field(
        None, description="All groups that are not answered one by one, together"
    )
    compare: dict[str, Any] | None = Field(None, description="The same groups in the windows to compare with")
    warnings: list[str] | None = None


class AnswersBody(BaseModel):
    """Answers in the order of the questions."""

    status: Literal["ok", "partial"] = Field(description="partial: some were refused")
    cached: bool = Field(description="No table had to be read for it")
    live: Literal["available", "unavailable"] = Field(
        description="unavailable: live windows could not be read, so what has not closed is missing"
    )
    results: list[AnswerBody]
