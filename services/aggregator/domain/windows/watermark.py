"""The watermark of a partition: points older than it are not expected on time any more. Milliseconds UTC.

Invariant: the watermark never goes back, is a function of the log alone, and never exceeds the latest receive time.
"""

DISORDER_MS = 2_000
"""How far points may be out of order without being late."""


def advance(watermark_ms: int | None, latest_ms: int, received_at_ms: int) -> int:
    """The watermark after a message whose latest point is at `latest_ms`; for a tick that is its receive time."""
    reached = min(latest_ms, received_at_ms) - DISORDER_MS
    return reached if watermark_ms is None else max(watermark_ms, reached)
