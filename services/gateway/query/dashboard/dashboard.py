"""The summary of a tenant's metrics: one line a metric, merged from the closed windows of all its series.

Times are milliseconds UTC. A line is made of whole closed windows. An average or a quantile of nothing is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.model import sketch
from shared.model.window import BASE_MS, start_of

RANGE_MS = 15 * 60 * 1000
"""How far back a dashboard looks."""

QUANTILES = (0.5, 0.95, 0.99)
"""Quantiles of each metric."""

MAX_METRICS = 500
"""Most metrics of a dashboard."""

MAX_FIRING = 100
"""Most firing alerts of a dashboard."""


@dataclass(frozen=True, slots=True)
class Span:
    """The windows that a dashboard is made of."""

    from_ms: int
    to_ms: int

    @property
    def starts(self) -> range:
        """Starts of the windows."""
        return range(self.from_ms, self.to_ms, BASE_MS)


@dataclass(frozen=True, slots=True)
class Summary:
    """The closed windows of all series of a metric, merged."""

    metric: str
    unit: str
    kind: str
    count: float
    """Sum of weights; zero or less when as much was taken back."""
    samples: int | None
    """Points that came, whatever their weights; None: not known of all windows."""
    sum: float
    min: float | None
    max: float | None
    bucket: sketch.Buckets
    """Ascending buckets of the merged sketch."""
    weight: sketch.Weights
    """Their weights."""
    latest_ms: int
    """Start of the latest window in it."""

    @property
    def average(self) -> float | None:
        """Mean value, None when nothing is left to divide by."""
        return self.sum / self.count if self.count > 0 else None


def quantiles_of(summaries: Sequence[Summary]) -> list[tuple[float | None, ...]]:
    """The quantiles `QUANTILES` of each summary; None when nothing is left."""
    nothing = np.zeros(0)
    sketches = sketch.Sketches(
        np.cumsum([0, *(len(one.bucket) for one in summaries)], dtype=np.int64),
        np.concatenate([nothing.astype(np.int16), *(one.bucket for one in summaries)]),
        np.concatenate([nothing, *(one.weight for one in summaries)]),
        np.array([one.min for one in summaries], np.float64),
        np.array([one.max for one in summaries], np.float64),
    )
    return sketch.quantile_tuples(sketches, QUANTILES)


def span_of(now_ms: int) -> Span:
    """The last quarter of an hour, in whole windows that have ended."""
    to_ms = start_of(now_ms)
    return Span(max(0, to_ms - RANGE_MS), to_ms)


def complete_to_ms(summaries: Sequence[Summary]) -> int | None:
    """End of the latest window in any of them, None when there is none."""
    return max((one.latest_ms + BASE_MS for one in summaries), default=None)
