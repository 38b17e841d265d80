"""The answers of reports as OpenAPI shows them.

Times are milliseconds UTC, shares 0 to 1. The model describes answers; nothing is validated with it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ReportBody(BaseModel):
    """Figures of a range, each with the samples that it is made of."""

    model_config = ConfigDict(extra="allow")

    status: str = Field(examples=["ok"])
    cached: bool = Field(description="No table had to be read")
    live: str = Field(description="unavailable: live windows could not be read", examples=["available"])
    from_ms: int
    to_ms: int
    requests: dict[str, Any] | None = Field(None, description="Answers of the API, with quantiles and errors")
    errors: dict[str, Any] | None = None
    events: dict[str, Any] | None = None
    heap: dict[str, Any] | None = Field(None, description="Share of the heap that pages use")
    vitals: dict[str, Any] | None = Field(
        None, description="p75 of each web vital, rated by the official limits"
    )
