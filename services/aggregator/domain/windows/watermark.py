"""The watermark of a partition: points older than it are not expected on time any more. Milliseconds UTC.

Invariant: the watermark never goes back, is a function of the log alone, and never exceeds the latest append time, so
that no clock but the broker's closes a window.
"""


def advance(watermark_ms: int | None, latest_ms: int, appended_at_ms: int, disorder_ms: int) -> int:
    """The watermark after a message whose latest point is at `latest_ms`; for a tick that is its append time."""
    reached = min(latest_ms, appended_at_ms) - disorder_ms
    return reached if watermark_ms is None else max(watermark_ms, reached)
