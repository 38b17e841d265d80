"""The answer about a batch as OpenAPI shows it.

Times are milliseconds UTC. The model describes an answer; nothing is validated with it.
"""

from pydantic import BaseModel, Field


class BatchBody(BaseModel):
    """A batch of points of which something has counted."""

    batch_id: str = Field(description="Its key")
    counted_since_ms: int = Field(description="Receive time of the earliest of its messages, to the second")
    partitions: int = Field(description="In how many partitions of the log it has counted so far")
    rows: int = Field(description="How many of its rows have; a histogram has one for each bucket")
