"""The answer of differences as OpenAPI shows it.

Times are milliseconds UTC, shares 0 to 1. The model describes answers; nothing is validated with it.
"""

from typing import Any

from pydantic import BaseModel, Field


class DifferenceBody(BaseModel):
    """How often a label has a value, inside the selection and outside."""

    label: str
    value: str = Field(description="Empty where the label is absent")
    difference: float = Field(description="Share inside less share outside")
    inside: float
    inside_share: float
    outside: float
    outside_share: float


class DifferencesBody(BaseModel):
    """Label values, those that are more common inside first."""

    metric: str
    from_ms: int
    to_ms: int
    selection: dict[str, Any]
    differences: list[DifferenceBody]
