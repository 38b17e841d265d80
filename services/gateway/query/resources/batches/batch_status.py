"""The status of a client's batch: since when and how far it has counted. Milliseconds UTC.

A batch has rows in several partitions, whose owners commit one by one. The status contains only committed rows, so the
count of a batch only grows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch of which something has counted."""

    counted_since_ms: int
    """Receive time of the earliest of its messages, to the second."""
    partitions: int
    """In how many partitions it has counted so far."""
    rows: int
    """How many of its rows have; a histogram has one for each bucket."""
