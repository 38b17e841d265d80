"""The naive fold: a dict from series and window to an object, its sketch a dict of its own.

Milliseconds UTC. It does what the fold does to a point of weight 1, and knows no late ones; coarse windows are folded
from the points as well.
"""

from shared.model import sketch
from shared.model.point import Points
from shared.model.window import TIERS_MS, start_of


class Window:
    """One series in one window."""

    def __init__(self) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.min = float("inf")
        self.max = float("-inf")
        self.last = 0.0
        self.last_ms = 0
        self.sketch: dict[int, float] = {}

    def add(self, ts_ms: int, value: float, bucket: int) -> None:
        """Take in one point."""
        self.count += 1.0
        self.sum += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        self.last_ms, self.last = max((self.last_ms, self.last), (ts_ms, value))
        self.sketch[bucket] = self.sketch.get(bucket, 0.0) + 1.0


class NaiveFold:
    """All windows of one worker."""

    def __init__(self) -> None:
        self.windows: dict[tuple[bytes, int, int], Window] = {}

    def fold(self, series: list[bytes], points: Points) -> None:
        """Take in one message, and forget the windows that its first point is past."""
        columns = (points.slot, points.ts_ms, points.value, sketch.buckets_of(points.value))
        for slot, ts_ms, value, bucket in zip(*(column.tolist() for column in columns), strict=True):
            for tier_ms in TIERS_MS:
                key = series[slot], tier_ms, start_of(ts_ms, tier_ms)
                window = self.windows.get(key)
                if window is None:
                    window = self.windows[key] = Window()
                window.add(ts_ms, value, bucket)

    def close(self, watermark_ms: int) -> None:
        """Forget the windows that have ended."""
        self.windows = {key: window for key, window in self.windows.items() if key[2] + key[1] > watermark_ms}
