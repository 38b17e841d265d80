"""Exports as OpenAPI shows them: what is asked, and how one stands. Nothing is validated with these models.

Times of questions are milliseconds UTC or RFC 3339 with a zone, those of answers RFC 3339 in UTC.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field


class ExportBody(BaseModel):
    """What is to be exported."""

    table: Literal["windows", "events", "funnels", "alerts", "ledger", ""] = Field(
        "", description="Which rows"
    )
    question: dict[str, Any] | None = Field(
        None, description="In place of a table: a question of `POST /v1/query`"
    )
    from_: str | int = Field("", alias="from", description="Default: all that is kept")
    to: str | int = Field("", description="Default: now")
    where: list[str] = Field(
        [], description="`name=value`, `!=`, `~glob`, `!~glob`, `name in (a, b)`; all must hold"
    )
    metric: str = Field("", description="Of windows: this metric alone")
    resolution: Literal["10s", "1m", "15m"] = Field("1m", description="Of windows: their length")
    format: Literal["csv", "jsonl", "parquet", "arrow"] = "csv"
    sketch: bool = Field(False, description="Of windows: with the buckets and weights of their sketches")


class ExportStatusBody(BaseModel):
    """How an export stands."""

    id: str
    state: Literal["running", "complete", "failed"]
    question: dict[str, Any] = Field(description="What it is of, as it was understood")
    rows: int | None = Field(description="So far, or in all; null: not known yet")
    bytes: int = Field(description="So far, or in all")
    sha256: str | None = Field(description="Of the whole file; null before its end")
    complete_until: str | None = Field(description="Windows that end at or before this are whole in it")
    started_at: str
    updated_at: str
    code: str | None = Field(description="Why it failed")
