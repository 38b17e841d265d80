"""The only place that reads a clock.

Wall time is integer milliseconds UTC and names instants; monotonic time is seconds and measures spans. The law:
rules take the time as an argument, so nothing inside a `domain/` needs this module.
"""

import time


def now_ms() -> int:
    """Milliseconds UTC since 1970."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that only ever grow."""
    return time.monotonic()
