"""A token bucket: how many points a tenant may send now.

Times are seconds of a monotonic clock. Over any span the points admitted are at most the burst plus the rate
times the span, plus what a single request takes beyond the burst.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Tokens of one tenant; one point costs one token."""

    rate_per_s: float
    """Tokens gained a second."""
    burst: float
    """Tokens held at most."""
    tokens: float
    """Tokens held at `at_s`; negative after a request larger than the burst."""
    at_s: float
    """When `tokens` was true."""

    def left(self, now_s: float) -> float:
        """Tokens held now."""
        return min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.rate_per_s)

    def take(self, points: int, now_s: float) -> float:
        """Take a token a point and return 0, or take none and return the seconds to wait."""
        tokens = self.left(now_s)
        self.at_s = now_s
        # A request larger than the burst could never pass, so a full bucket lets it through on credit.
        missing = min(float(points), self.burst) - tokens
        self.tokens = tokens if missing > 0 else tokens - points
        return max(0.0, missing / self.rate_per_s)

    def retune(self, rate_per_s: float, burst: float) -> None:
        """Follow a changed allowance without giving tokens away."""
        self.rate_per_s, self.burst = rate_per_s, burst
        self.tokens = min(self.tokens, burst)


def full(rate_per_s: float, burst: float, now_s: float) -> Bucket:
    """A bucket that has been left alone for long."""
    return Bucket(rate_per_s, burst, burst, now_s)
