"""The watermark of a partition: no on-time point older than it is still expected. Milliseconds UTC.

The law: it never goes back, and it is a function of the log alone, so that a replay decides the same. The clock of a
client cannot push it past the receive time.
"""

DISORDER_MS = 2_000
"""How far points may be out of order without being late."""


def advance(watermark_ms: int | None, latest_ms: int, received_at_ms: int) -> int:
    """The watermark after a message whose latest point is at `latest_ms`; for a tick that is its receive time."""
    reached = min(latest_ms, received_at_ms) - DISORDER_MS
    return reached if watermark_ms is None else max(watermark_ms, reached)
