"""Which points are admitted: finite ones, of a sane size, and near enough to the time they were received.

Times are milliseconds UTC. Invariant: a point admitted here can be folded and stored by everything downstream.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model.point import MAX_MAGNITUDE, MAX_WEIGHT, Points
from shared.model.window import MAX_AHEAD_MS, MAX_LATE_MS

DAY_MS = 24 * 3600 * 1000
"""A day, in milliseconds."""

PLAUSIBLE_MS = 3650 * DAY_MS
"""A time in another unit is recognised when it lies within ten years of now."""

Mask = NDArray[np.bool_]

MAXIMUM = np.maximum.reduce
MINIMUM = np.minimum.reduce
ALL = np.logical_and.reduce

TOO_LARGE = f"magnitude must be at most {MAX_MAGNITUDE:g}"
WEIGHT_RANGE = f"weight: must be finite, not zero, and at most {MAX_WEIGHT:g} in magnitude"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one point of a request was refused for ever."""

    index: int
    """Place of the point in the request."""
    code: str
    """Stable name of the reason."""
    message: str
    """Names the field and what it must be."""


def refusals(points: Points, received_at_ms: int) -> list[Rejection]:
    """The points that may not enter, by row; empty when all may."""
    if not len(points):
        return []
    value, ts_ms = points.value, points.ts_ms
    # Bare reductions: at a hundred points the wrappers around them cost more than they do. A NaN fails all of them.
    if (
        MAXIMUM(value) <= MAX_MAGNITUDE
        and MINIMUM(value) >= -MAX_MAGNITUDE
        and MAXIMUM(ts_ms) <= received_at_ms + MAX_AHEAD_MS
        and MINIMUM(ts_ms) >= received_at_ms - MAX_LATE_MS
        and (points.weight is None or not _bad_weights(points.weight).any())
    ):
        return []
    return _each(points, received_at_ms)


def refused(rows: Iterable[int], code: str, message: str) -> list[Rejection]:
    """The same refusal for each of these rows."""
    return [Rejection(row, code, message) for row in sorted(set(rows))]


def without(points: Points, rows: list[int]) -> Points:
    """The points that are left when these rows are taken out."""
    keep = np.ones(len(points), np.bool_)
    keep[rows] = False
    return points.rows(keep)


def _bad_weights(weight: NDArray[np.float64]) -> Mask:
    return np.asarray(~(np.abs(weight) <= MAX_WEIGHT) | (weight == 0))


def _each(points: Points, received_at_ms: int) -> list[Rejection]:
    found: dict[int, Rejection] = {}
    for row in np.flatnonzero(~(np.abs(points.value) <= MAX_MAGNITUDE)).tolist():
        found[row] = Rejection(row, "value_out_of_range", f"value: must be finite, {TOO_LARGE}")
    if points.weight is not None:
        for row in np.flatnonzero(_bad_weights(points.weight)).tolist():
            found.setdefault(row, Rejection(row, "weight_out_of_range", WEIGHT_RANGE))
    ages_ms = received_at_ms - points.ts_ms
    for row in np.flatnonzero((ages_ms < -MAX_AHEAD_MS) | (ages_ms > MAX_LATE_MS)).tolist():
        if (refusal := untimely(row, int(points.ts_ms[row]), received_at_ms)) is not None:
            found.setdefault(row, refusal)
    return [found[row] for row in sorted(found)]


def untimely(index: int, ts_ms: int, received_at_ms: int) -> Rejection | None:
    """Why an event time may not enter, None when it may."""
    if ts_ms > received_at_ms + MAX_AHEAD_MS:
        code, message = "ts_in_future", "ts: more than 60 s ahead of the receive time"
    elif ts_ms < received_at_ms - MAX_LATE_MS:
        code, message = "ts_too_old", "ts: more than 5 days old"
    else:
        return None
    return Rejection(index, code, message + _unit_hint(ts_ms, received_at_ms))


def _unit_hint(ts: int, received_at_ms: int) -> str:
    for unit, in_ms in (
        ("seconds", ts * 1000),
        ("microseconds", ts // 1000),
        ("nanoseconds", ts // 1_000_000),
    ):
        if abs(in_ms - received_at_ms) < PLAUSIBLE_MS:
            return f"; it looks like {unit}, send milliseconds"
    return ""
