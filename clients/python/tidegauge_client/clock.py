"""Reads the wall clock for the client.

Integer milliseconds UTC. A point or an event gets its time when it is made, however long it waits to be sent.
"""

import time


def now_ms() -> int:
    """Milliseconds UTC since 1970."""
    return time.time_ns() // 1_000_000
