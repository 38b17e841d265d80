"""Windows: half-open spans of event time, [start, end), in integer milliseconds UTC.

A window of a resolution starts at a multiple of it, so every instant lies in exactly one window of each resolution.
"""

import numpy as np
from numpy.typing import NDArray

BASE_MS = 10_000
"""Resolution of the finest tier."""

TIERS_MS = (BASE_MS, 60_000, 900_000)
"""Resolutions of the tiers, each a multiple of the one before."""

MAX_AHEAD_MS = 60_000
"""How far a point may lie ahead of its receive time."""

MAX_LATE_MS = 5 * 24 * 3600 * 1000
"""How far a point may lie behind its receive time."""


def starts_of(ts_ms: NDArray[np.int64], resolution_ms: int = BASE_MS) -> NDArray[np.int64]:
    """Start of the window that holds each instant; shape of `ts_ms`."""
    return ts_ms - ts_ms % resolution_ms


def start_of(ts_ms: int, resolution_ms: int = BASE_MS) -> int:
    """Start of the window that holds one instant."""
    return ts_ms - ts_ms % resolution_ms
