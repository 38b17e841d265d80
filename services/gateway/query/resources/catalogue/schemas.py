"""The answers of the catalogue as OpenAPI shows them.

Pages count from 1. The models describe answers; nothing is validated with them.
"""

from typing import Any

from pydantic import BaseModel


class MetricsBody(BaseModel):
    """A page of metrics."""

    items: list[dict[str, Any]]
    total: int
    page: int
    page_size: int
    total_pages: int
    has_next: bool
    has_previous: bool
    links: dict[str, str]


class LabelsBody(BaseModel):
    """The labels of a metric."""

    metric: str
    labels: list[dict[str, Any]]


class ValuesBody(BaseModel):
    """Values of a label."""

    label: str
    values: list[str]
    truncated: bool
