"""What each tenant may send: tokens for points, and active series, as the grant that was looked up last says.

Times are monotonic seconds, an argument. Several keys of a tenant draw on the same tokens.
"""

from collections import Counter
from typing import NamedTuple

from services.gateway.auth.bounded_map import BoundedMap, bound_of
from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.quota import Bucket, full
from services.gateway.intake.domain.series_limit import SeriesLimiter
from shared.model.bound import Bound

MAX_TENANTS = 10_000
"""Tenants whose tokens are known; beyond it the one whose key was looked up longest ago begins with a full bucket."""


class Allowance(NamedTuple):
    """What a tenant may still send, in tokens of one point or event each."""

    left: float
    burst: float
    rate_per_s: float


class TenantLimits:
    """The limits of all tenants whose keys have been looked up."""

    def __init__(self, max_tenants: int = MAX_TENANTS) -> None:
        self._buckets: BoundedMap[int, Bucket] = BoundedMap(max_tenants)
        self._taken: Counter[int] = Counter()
        self.series_limiter = SeriesLimiter()
        """The active series of all tenants, under the limits of their grants."""

    def granted(self, grant: Grant, now_s: float) -> None:
        """Follow a grant that has been looked up."""
        bucket = self._buckets.get(grant.tenant_id) or full(grant.points_per_s, grant.points_burst, now_s)
        bucket.retune(grant.points_per_s, grant.points_burst)
        self._buckets[grant.tenant_id] = bucket
        self.series_limiter.retune(grant.tenant_id, grant.max_series)

    def take(self, grant: Grant, points: int, now_s: float) -> float:
        """Take a token a point and return 0, or take none and return the seconds to wait."""
        wait_s = self._bucket(grant, now_s).take(points, now_s)
        if wait_s == 0:
            self._taken[grant.tenant_id] += points
        return wait_s

    def drain(self) -> dict[int, int]:
        """The tokens that each tenant has taken since this was asked last."""
        taken, self._taken = self._taken, Counter()
        return dict(taken)

    def debit(self, tenant_id: int, tokens: int) -> None:
        """Take tokens that were given elsewhere; a bucket owes at most its burst."""
        bucket = self._buckets.get(tenant_id)
        if bucket is not None:
            bucket.tokens = max(-bucket.burst, bucket.tokens - tokens)

    def wait_s(self, grant: Grant, now_s: float, tokens: int = 1) -> float:
        """Seconds until there are so many tokens, or a full bucket; they are not taken."""
        bucket = self._bucket(grant, now_s)
        return max(0.0, (min(float(tokens), bucket.burst) - bucket.left(now_s)) / bucket.rate_per_s)

    def allowance(self, grant: Grant, now_s: float) -> Allowance:
        """What the tenant may still send."""
        bucket = self._bucket(grant, now_s)
        return Allowance(bucket.left(now_s), bucket.burst, bucket.rate_per_s)

    def _bucket(self, grant: Grant, now_s: float) -> Bucket:
        bucket = self._buckets.get(grant.tenant_id)
        if bucket is None:
            bucket = full(grant.points_per_s, grant.points_burst, now_s)
            self._buckets[grant.tenant_id] = bucket
        return bucket

    def bounds(self) -> tuple[Bound, Bound]:
        """What may be remembered."""
        return bound_of("buckets", self._buckets), self.series_limiter.bound()
