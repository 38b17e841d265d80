"""The only place that reads the wall clock.

Integer milliseconds UTC. The law: a point or an event has its time from the moment it is made, however long it waits.
"""

import time


def now_ms() -> int:
    """Milliseconds UTC since 1970."""
    return time.time_ns() // 1_000_000
