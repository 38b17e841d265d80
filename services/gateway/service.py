"""The order of steps: who asks, may they, may so much, then publish and wait for the broker.

Times are milliseconds UTC (`_ms`) or monotonic seconds (`_s`), both arguments. The law: an accepted point is in the
log, and every refusal says whether it is worth coming again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.gateway.domain import health
from services.gateway.domain.admission import Rejection
from services.gateway.domain.query import Query, WindowRow, merge
from services.gateway.domain.quota import Bucket, full
from services.gateway.domain.recent import Recent, bound_of
from services.gateway.domain.series_limit import SeriesLimiter, SeriesLimitWarning, warnings
from services.gateway.ports import (
    Checkpoints,
    Closed,
    Grant,
    Grants,
    IdempotencyClaims,
    IntakeBatch,
    Live,
    Outcome,
    Publisher,
)
from shared.errors import Unavailable

FRESH_S = 60.0
"""A key is looked up again when its grant is older, so that a revoked one ends."""

REFRESH_S = 30.0
"""From this age on it is looked up beside the requests, so that they need not wait for it."""

STALE_S = 3600.0
"""How long a grant is good while Postgres is away."""

RETRY_S = 5.0
"""Pause after a failed look-up of a key whose grant is known."""

WAIT_S = 1.0
"""How long a request with a stale grant waits for a fresh one."""

FIRST_S = 3.0
"""How long a request with a new key waits for its grant."""

MAX_KEYS = 10_000
"""Known keys at once, and tenants; beyond it the one that was looked up longest ago is forgotten."""

C = TypeVar("C", bound=IntakeBatch)


@dataclass(slots=True)
class ApiKey:
    """A known key: its grant and the tokens of its tenant."""

    grant: Grant
    bucket: Bucket
    looked_up_s: float
    retry_at_s: float = 0.0


@dataclass(slots=True)
class IntakeCounters:
    """Plain counts of points, or of events, that `/metrics` shows."""

    requests: Counter[int] = field(default_factory=Counter)
    """Answers of their routes by status."""
    accepted: int = 0
    """How many the broker has."""
    rejected: Counter[str] = field(default_factory=Counter)
    """How many were refused for ever, by code."""
    conflicts: int = 0
    """Requests whose key stood for another body."""
    overflowed: Counter[int] = field(default_factory=Counter)
    """How many of the accepted count into overflow series, by tenant."""


@dataclass(slots=True)
class InFlight:
    """What is under way in all routes that take something in."""

    requests: int = 0
    bytes: int = 0
    """Bytes of their bodies."""


class KeyCache:
    """Finds grants, remembers them, and goes on with what it remembers while Postgres is away."""

    def __init__(self, grants: Grants, max_keys: int = MAX_KEYS) -> None:
        self._grants = grants
        self._api_keys: Recent[bytes, ApiKey] = Recent(max_keys)
        self._buckets: Recent[int, Bucket] = Recent(max_keys)
        self._lookups: dict[bytes, asyncio.Task[ApiKey | None]] = {}
        self.series_limiter = SeriesLimiter()
        """The active series of all tenants, under the limits of their grants."""
        kept = bound_of("keys", self._api_keys), bound_of("buckets", self._buckets)
        self.bounds = (*kept, self.series_limiter.bound())
        """What it may remember."""
        self.ever_found = False
        """Some key has been looked up with success (an unknown one counts: Postgres answered)."""

    def known(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        """The holder of a key that is fresh enough to need no look-up."""
        api_key = self._api_keys.get(key_hash)
        if api_key is None or now_s - api_key.looked_up_s > REFRESH_S:
            return None
        return api_key

    async def find(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        """The holder of a key, None for an unknown one; raise `Unavailable` when it cannot be known."""
        api_key = self._api_keys.get(key_hash)
        if api_key is None:
            return await self._first(key_hash, now_s)
        age_s = now_s - api_key.looked_up_s
        if now_s >= api_key.retry_at_s and age_s > REFRESH_S:
            lookup = self._lookup(key_hash, now_s)
            if age_s > FRESH_S:
                done, _ = await asyncio.wait({lookup}, timeout=WAIT_S)
                if done and lookup.exception() is None:
                    return lookup.result()
                api_key.retry_at_s = now_s + RETRY_S
        if age_s > STALE_S:
            raise Unavailable("postgres", "the key has not been confirmed for an hour")
        return api_key

    async def _first(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        lookup = self._lookup(key_hash, now_s)
        done, _ = await asyncio.wait({lookup}, timeout=FIRST_S)
        if not done:
            raise Unavailable("postgres", f"no answer in {FIRST_S:g} s")
        return lookup.result()

    def _lookup(self, key_hash: bytes, now_s: float) -> asyncio.Task[ApiKey | None]:
        task = self._lookups.get(key_hash)
        if task is None:
            task = self._lookups[key_hash] = asyncio.create_task(self._ask(key_hash, now_s))
            task.add_done_callback(lambda done: self._settle(key_hash, done, now_s))
        return task

    def _settle(self, key_hash: bytes, task: asyncio.Task[ApiKey | None], now_s: float) -> None:
        del self._lookups[key_hash]
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Unavailable):
            if key_hash in self._api_keys:
                self._api_keys[key_hash].retry_at_s = now_s + RETRY_S
        elif problem is not None:
            raise problem  # a bug that no request may be waiting for

    async def _ask(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        grant = await self._grants.find(key_hash)
        self.ever_found = True
        self._api_keys.pop(key_hash, None)
        if grant is None:
            return None
        bucket = self._buckets.get(grant.tenant_id) or full(grant.points_per_s, grant.points_burst, now_s)
        self._buckets[grant.tenant_id] = bucket
        bucket.retune(grant.points_per_s, grant.points_burst)
        self.series_limiter.retune(grant.tenant_id, grant.max_series)
        api_key = self._api_keys[key_hash] = ApiKey(grant, bucket, now_s)
        return api_key


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of a request's points or events."""

    outcome: Outcome
    accepted: int
    rejected: list[Rejection]
    retry_after_s: float = 0.0
    """Above zero: the tenant is over its allowance, nothing was taken."""
    warnings: list[SeriesLimitWarning] = field(default_factory=list)
    """What the client should know of what was accepted."""
    conflict: bool = False
    """The batch's key stands for another body, nothing was taken."""


class Intake(Generic[C]):
    """Lets points or events in and waits for the log."""

    def __init__(self, publisher: Publisher[C], counters: IntakeCounters, claims: IdempotencyClaims) -> None:
        self._publisher = publisher
        self._counters = counters
        self._claims = claims
        self.draining: str | None = None
        """Why this process takes nothing any more."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.draining or self._publisher.refusal()

    async def accept(
        self, api_key: ApiKey, batch: C, rejected: list[Rejection], now_s: float
    ) -> IntakeResult:
        """Publish what is good in a request and say what became of it."""
        taken = batch.taken
        wait_s = api_key.bucket.take(max(taken, len(batch)) + len(rejected), now_s)
        if wait_s > 0:
            return IntakeResult(Outcome.NOT_ACCEPTED, 0, [], wait_s)
        bound = await self._claim(batch)
        if bound is False:
            return IntakeResult(Outcome.NOT_ACCEPTED, 0, [], conflict=True)
        for rejection in rejected:
            self._counters.rejected[rejection.code] += 1
        if not len(batch):
            self._publisher.note(batch)
            self._counters.accepted += taken
            return IntakeResult(Outcome.ACCEPTED, taken, rejected)
        outcome = await self._publisher.publish(batch)
        if outcome is Outcome.ACCEPTED:
            self._counters.accepted += taken
            return IntakeResult(outcome, taken, rejected, warnings=self._warnings(api_key.grant, batch))
        if bound and outcome is Outcome.NOT_ACCEPTED:
            await self._release(batch)
        return IntakeResult(outcome, 0, [])

    async def _claim(self, batch: C) -> bool | None:
        """Whether the batch's key stands for this body; None where that cannot be said, and it is let in.

        Asked before it is published: the aggregator would drop the second of two bodies although it was acknowledged.
        """
        if batch.identity is None or not batch.identity.keyed or not len(batch):
            return None
        bound = None
        with suppress(Unavailable):
            bound = await self._claims.claim_idempotency_key(batch.identity)
        self._counters.conflicts += bound is False
        return bound

    async def _release(self, batch: C) -> None:
        """Nothing was taken, so that the client may mend the body; after an unknown outcome it may not."""
        if batch.identity is not None:
            with suppress(Unavailable):
                await self._claims.release(batch.identity)

    def _warnings(self, grant: Grant, batch: C) -> list[SeriesLimitWarning]:
        if batch.overflowed:
            self._counters.overflowed[grant.tenant_id] += batch.overflowed
        return warnings(batch.overflowed, grant.max_series)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query."""

    rows: list[WindowRow]
    truncated: bool
    """More rows match than the limit allows."""
    live_available: bool
    """False: only closed windows could be read."""


class Reader:
    """Answers queries from the tables and the live windows."""

    def __init__(self, closed: Closed, live: Live) -> None:
        self._closed = closed
        self._live = live

    async def windows(self, query: Query, now_ms: int) -> Found:
        """The rows of a query; raise `Unavailable` when the tables cannot be read."""
        try:
            # Live first: a window that closes in between is then found in the table, never in neither.
            live, available = await self._live.live(query, now_ms), True
        except Unavailable:
            live, available = [], False
        rows, truncated = merge(await self._closed.closed(query), live, query.limit)
        return Found(rows, truncated, available)


Probe = Callable[[], Awaitable[bool]]
"""Whether a dependency answers."""


class SystemHealth:
    """Looks at the whole system: its dependencies, and what its services have committed."""

    def __init__(
        self, refusal: Callable[[], str | None], checkpoints: Checkpoints, probes: Mapping[str, Probe]
    ) -> None:
        self._refusal = refusal
        self._checkpoints = checkpoints
        self._probes = probes

    async def check(self, topics: Mapping[str, str], now_ms: int) -> health.HealthReport:
        """How the system is; `topics` names the topic of each service."""
        answers = await asyncio.gather(*(probe() for probe in self._probes.values()))
        up = dict(zip(self._probes, answers, strict=True))
        rows: Sequence[health.Partition] = []
        try:
            rows = await self._checkpoints.partitions(list(topics.values())) if up["postgres"] else []
        except Unavailable:
            up["postgres"] = False
        services = health.services(rows, topics, now_ms)
        gateway = health.OK if self._refusal() is None else health.DEGRADED
        return health.system(up, gateway, services)
