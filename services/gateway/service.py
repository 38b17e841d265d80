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
from services.gateway.domain.bounded_map import BoundedMap, bound_of
from services.gateway.domain.cardinality import Rosters, Warned, warnings
from services.gateway.domain.query import Query, WindowRow, merge
from services.gateway.domain.quota import Bucket, full
from services.gateway.ports import (
    Bindings,
    Cargo,
    Checkpoints,
    Closed,
    Grant,
    Grants,
    Live,
    Outcome,
    Publisher,
    Spread,
)
from shared.errors import Unavailable

FRESH_S = 60.0
"""A key is looked up again when its grant is older, so that a revoked one ends."""

REFRESH_S = 30.0
"""From this age on, or a little sooner, it is looked up beside the requests, so that they need not wait for it."""

STALE_S = 3600.0
"""How long a grant is good while Postgres is away."""

RETRY_S = 5.0
"""Longest pause after a failed look-up of a key whose grant is known."""

WAIT_S = 1.0
"""How long a request with a stale grant waits for a fresh one."""

FIRST_S = 3.0
"""How long a request with a new key waits for its grant."""

MAX_KEYS = 10_000
"""Known keys at once, and tenants; beyond it the one that was looked up longest ago is forgotten."""

C = TypeVar("C", bound=Cargo)


@dataclass(slots=True)
class Holder:
    """A known key: its grant, the tokens of its tenant, and when it is to be looked up again."""

    grant: Grant
    bucket: Bucket
    looked_up_s: float
    lookup_at_s: float


@dataclass(slots=True)
class Tally:
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
class Load:
    """What is under way in all routes that take something in."""

    requests: int = 0
    bytes: int = 0
    """Bytes of their bodies."""


class KeyRing:
    """Finds grants and remembers them, also while Postgres is away; `spread` shortens periods at random."""

    def __init__(self, grants: Grants, max_keys: int = MAX_KEYS, spread: Spread = float) -> None:
        self._grants = grants
        self._spread = spread
        self._holders: BoundedMap[bytes, Holder] = BoundedMap(max_keys)
        self._buckets: BoundedMap[int, Bucket] = BoundedMap(max_keys)
        self._lookups: dict[bytes, asyncio.Task[Holder | None]] = {}
        self.rosters = Rosters()
        """The active series of all tenants, under the limits of their grants."""
        kept = bound_of("keys", self._holders), bound_of("buckets", self._buckets)
        self.bounds = (*kept, self.rosters.bound())
        """What it may remember."""
        self.ever_found = False
        """Some key has been looked up with success (an unknown one counts: Postgres answered)."""

    def known(self, key_hash: bytes, now_s: float) -> Holder | None:
        """The holder of a key that is fresh enough to need no look-up."""
        holder = self._holders.get(key_hash)
        return holder if holder is not None and now_s < holder.lookup_at_s else None

    async def find(self, key_hash: bytes, now_s: float) -> Holder | None:
        """The holder of a key, None for an unknown one; raise `Unavailable` when it cannot be known."""
        holder = self._holders.get(key_hash)
        if holder is None:
            return await self._first(key_hash, now_s)
        age_s = now_s - holder.looked_up_s
        if now_s >= holder.lookup_at_s:
            lookup = self._lookup(key_hash, now_s)
            if age_s > FRESH_S:
                done, _ = await asyncio.wait({lookup}, timeout=WAIT_S)
                if done and lookup.exception() is None:
                    return lookup.result()
                holder.lookup_at_s = now_s + self._spread(RETRY_S)
        if age_s > STALE_S:
            raise Unavailable("postgres", "the key has not been confirmed for an hour")
        return holder

    async def _first(self, key_hash: bytes, now_s: float) -> Holder | None:
        lookup = self._lookup(key_hash, now_s)
        done, _ = await asyncio.wait({lookup}, timeout=FIRST_S)
        if not done:
            raise Unavailable("postgres", f"no answer in {FIRST_S:g} s")
        return lookup.result()

    def _lookup(self, key_hash: bytes, now_s: float) -> asyncio.Task[Holder | None]:
        task = self._lookups.get(key_hash)
        if task is None:
            task = self._lookups[key_hash] = asyncio.create_task(self._ask(key_hash, now_s))
            task.add_done_callback(lambda done: self._settle(key_hash, done, now_s))
        return task

    def _settle(self, key_hash: bytes, task: asyncio.Task[Holder | None], now_s: float) -> None:
        del self._lookups[key_hash]
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Unavailable):
            if key_hash in self._holders:
                self._holders[key_hash].lookup_at_s = now_s + self._spread(RETRY_S)
        elif problem is not None:
            raise problem  # a bug that no request may be waiting for

    async def _ask(self, key_hash: bytes, now_s: float) -> Holder | None:
        grant = await self._grants.find(key_hash)
        self.ever_found = True
        self._holders.pop(key_hash, None)
        if grant is None:
            return None
        bucket = self._buckets.get(grant.tenant_id) or full(grant.points_per_s, grant.points_burst, now_s)
        self._buckets[grant.tenant_id] = bucket
        bucket.retune(grant.points_per_s, grant.points_burst)
        self.rosters.retune(grant.tenant_id, grant.max_series)
        self._holders[key_hash] = holder = Holder(grant, bucket, now_s, now_s + self._spread(REFRESH_S))
        return holder


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's points or events."""

    outcome: Outcome
    accepted: int
    rejected: list[Rejection]
    retry_after_s: float = 0.0
    """Above zero: the tenant is over its allowance, nothing was taken."""
    warnings: list[Warned] = field(default_factory=list)
    """What the client should know of what was accepted."""
    conflict: bool = False
    """The batch's key stands for another body, nothing was taken."""


class Intake(Generic[C]):
    """Lets points or events in and waits for the log."""

    def __init__(self, publisher: Publisher[C], tally: Tally, bindings: Bindings) -> None:
        self._publisher = publisher
        self._tally = tally
        self._bindings = bindings
        self.draining: str | None = None
        """Why this process takes nothing any more."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.draining or self._publisher.refusal()

    async def accept(self, holder: Holder, chunk: C, rejected: list[Rejection], now_s: float) -> Receipt:
        """Publish what is good in a request and say what became of it."""
        taken = chunk.taken
        wait_s = holder.bucket.take(max(taken, len(chunk)) + len(rejected), now_s)
        if wait_s > 0:
            return Receipt(Outcome.NOT_ACCEPTED, 0, [], wait_s)
        bound = await self._bind(chunk)
        if bound is False:
            return Receipt(Outcome.NOT_ACCEPTED, 0, [], conflict=True)
        for rejection in rejected:
            self._tally.rejected[rejection.code] += 1
        if not len(chunk):
            self._publisher.note(chunk)
            self._tally.accepted += taken
            return Receipt(Outcome.ACCEPTED, taken, rejected)
        outcome = await self._publisher.publish(chunk)
        if outcome is Outcome.ACCEPTED:
            self._tally.accepted += taken
            return Receipt(outcome, taken, rejected, warnings=self._warnings(holder.grant, chunk.overflowed))
        if bound and outcome is Outcome.NOT_ACCEPTED:
            await self._release(chunk)
        return Receipt(outcome, 0, [])

    async def _bind(self, chunk: C) -> bool | None:
        """Whether the batch's key stands for this body; None where that cannot be said, and it is let in.

        Asked before it is published: the aggregator would drop the second of two bodies although it was acknowledged.
        """
        if chunk.identity is None or not chunk.identity.keyed or not len(chunk):
            return None
        bound = None
        with suppress(Unavailable):
            bound = await self._bindings.bind(chunk.identity)
        self._tally.conflicts += bound is False
        return bound

    async def _release(self, chunk: C) -> None:
        """Nothing was taken, so that the client may mend the body; after an unknown outcome it may not."""
        if chunk.identity is not None:
            with suppress(Unavailable):
                await self._bindings.release(chunk.identity)

    def _warnings(self, grant: Grant, overflowed: int) -> list[Warned]:
        if overflowed:
            self._tally.overflowed[grant.tenant_id] += overflowed
        return warnings(overflowed, grant.max_series)


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


class Watch:
    """Looks at the whole system: its dependencies, and what its services have committed."""

    def __init__(
        self, refusal: Callable[[], str | None], checkpoints: Checkpoints, probes: Mapping[str, Probe]
    ) -> None:
        self._refusal = refusal
        self._checkpoints = checkpoints
        self._probes = probes

    async def look(self, topics: Mapping[str, str], now_ms: int) -> health.SystemHealth:
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
