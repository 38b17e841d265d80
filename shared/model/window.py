"""Windows: half-open spans of event time, [start, end), in integer milliseconds UTC.

A window of a resolution starts at a multiple of it, so every instant lies in exactly one window of each resolution.
"""

import numpy as np
from numpy.typing import NDArray

BASE_MS = 10_000
"""Resolution of the finest tier."""

TIERS_MS = (BASE_MS, 60_000, 900_000)
"""Resolutions of the tiers, each a multiple of the one before."""

DISORDER_MS = 2_000
"""How far points may be out of order without being late, unless their topic has a bound of its own."""

_DAY_MS = 24 * 3600 * 1000

MAX_AHEAD_MS = 60_000
"""How far a point or an event may lie ahead of its receive time."""

MAX_LATE_MS = 5 * _DAY_MS
"""How far a point or an event may lie behind its receive time."""

MAX_LEAD_MS = MAX_AHEAD_MS + 60_000
"""How far one may lie ahead of the append time of its message, which a gateway knows only about."""

MAX_EVENT_AGE_MS = MAX_LATE_MS + _DAY_MS
"""How far an event may lie behind the append time of its message: a dead letter may be replayed a day later."""

MAX_POINT_AGE_MS = MAX_EVENT_AGE_MS + 3 * _DAY_MS
"""The same for a point: those that ingest derives come as much later as the log keeps events."""


def starts_of(ts_ms: NDArray[np.int64], resolution_ms: int = BASE_MS) -> NDArray[np.int64]:
    """Start of the window that holds each instant; shape of `ts_ms`."""
    return ts_ms - ts_ms % resolution_ms


def start_of(ts_ms: int, resolution_ms: int = BASE_MS) -> int:
    """Start of the window that holds one instant."""
    return ts_ms - ts_ms % resolution_ms
