"""Reads the clocks: wall time for instants, monotonic time for spans.

Wall time is integer milliseconds UTC; monotonic time is seconds. The rules in `domain/` take the time as an argument,
so none of them imports this module.
"""

import time


def now_ms() -> int:
    """Milliseconds UTC since 1970."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that only ever grow."""
    return time.monotonic()
