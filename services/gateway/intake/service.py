"""The order of steps of what is taken in: may they, may so much, then publish and wait for the broker.

Times are monotonic seconds (`_s`), an argument. An accepted point is in the log, and every refusal says whether it is
worth coming again.
"""

from collections import Counter
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.growing_body import name_of, parts_of, prefix_of
from services.gateway.intake.domain.series_limit import SeriesLimitWarning, warnings
from services.gateway.intake.domain.tenant_limits import Allowance, TenantLimits
from services.gateway.intake.ports import GrowingBodies, IdempotencyClaims, IntakeBatch, Outcome, Publisher
from shared.errors import Unavailable
from shared.model.batch_id import Signal

C = TypeVar("C", bound=IntakeBatch)
P = TypeVar("P", bound=IntakeBatch)
E = TypeVar("E", bound=IntakeBatch)


@dataclass(slots=True)
class IntakeCounters:
    """Plain counts of points, or of events, that `/metrics` shows."""

    requests: Counter[int] = field(default_factory=Counter)
    """Answers of their routes by status."""
    refused: Counter[str] = field(default_factory=Counter)
    """Requests of which nothing was taken, by code."""
    accepted: int = 0
    """How many the broker has."""
    rejected: Counter[str] = field(default_factory=Counter)
    """How many were refused for ever, by code."""
    conflicts: int = 0
    """Requests whose key stood for another body."""
    overflowed: Counter[int] = field(default_factory=Counter)
    """How many of the accepted count into overflow series, by tenant."""


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
    """Lets points, or events, in and waits for the log."""

    def __init__(self, publisher: Publisher[C], counters: IntakeCounters, claims: IdempotencyClaims) -> None:
        self._publisher = publisher
        self._claims = claims
        self.counters = counters
        """What became of them."""
        self.draining: str | None = None
        """Why this process takes nothing any more."""
        self.not_ready: str | None = None
        """Why it takes nothing yet."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.draining or self.not_ready or self._publisher.refusal()

    async def claim(self, batch: C) -> bool | None:
        """Whether the batch's key stands for this body; None where that cannot be said, and it is let in.

        Asked before it is published: the aggregator would drop the second of two bodies although it was acknowledged.
        """
        if batch.identity is None or not batch.identity.keyed or not len(batch):
            return None
        bound = None
        with suppress(Unavailable):
            bound = await self._claims.claim_idempotency_key(batch.identity)
        self.counters.conflicts += bound is False
        return bound

    async def release(self, batch: C) -> None:
        """Nothing was taken, so that the client may mend the body; after an unknown outcome it may not."""
        if batch.identity is not None:
            with suppress(Unavailable):
                await self._claims.release(batch.identity)

    def put(self, batch: C, rejected: list[Rejection]) -> Awaitable[Outcome] | None:
        """Hand a batch to the log, and count what was refused of it; None: there is nothing to wait for."""
        for rejection in rejected:
            self.counters.rejected[rejection.code] += 1
        if len(batch):
            return self._publisher.publish(batch)
        self._publisher.note(batch)
        return None

    def accepted(self, grant: Grant, batch: C) -> list[SeriesLimitWarning]:
        """Count what the log has, and say what its client should know of it."""
        self.counters.accepted += batch.taken
        if batch.overflowed:
            self.counters.overflowed[grant.tenant_id] += batch.overflowed
        return warnings(batch.overflowed, grant.max_series)


class DecodedBatch(NamedTuple, Generic[C]):
    """The points, or the events, of a request as the log takes them, and what is not in them."""

    batch: C
    rejected: list[Rejection]


@dataclass(slots=True)
class DecodedRequest(Generic[P, E]):
    """What is in a request; a protocol may bring points, events or both."""

    points: DecodedBatch[P] | None = None
    events: DecodedBatch[E] | None = None
    more: Sequence[DecodedBatch[P]] = ()
    """Points of the same request whose repeats are known by names of their own."""


class Intakes(Generic[P, E]):
    """Lets requests in: what they bring of either signal goes to its log at once, and one answer waits for both."""

    def __init__(
        self,
        points: Intake[P],
        events: Intake[E],
        limits: TenantLimits,
        growing: GrowingBodies | None = None,
    ) -> None:
        self._points = points
        self._events = events
        self._limits = limits
        self._growing = growing

    def refusal(self, signals: Collection[Signal]) -> str | None:
        """Why nothing of these signals can be taken now, None when it can."""
        refusal = self._points.refusal() if "points" in signals else None
        return refusal or (self._events.refusal() if "events" in signals else None)

    def wait_s(self, grant: Grant, now_s: float, tokens: int = 1) -> float:
        """0 when the tenant may send so much now, else when; asked before a body is read, and before it is decoded."""
        return self._limits.wait_s(grant, now_s, tokens)

    def allowance(self, grant: Grant, now_s: float) -> Allowance:
        """What it may still send."""
        return self._limits.allowance(grant, now_s)

    async def parts(self, tenant_id: int, body: bytes) -> Sequence[bytes]:
        """A body that may have grown, cut where it goes on from what came before; whole where nobody knows."""
        if self._growing is not None:
            with suppress(Unavailable):
                earlier = await self._growing.earlier(name_of(tenant_id, body), prefix_of(body))
                return parts_of(body, earlier)
        return (body,)

    async def accept(self, grant: Grant, decoded: DecodedRequest[P, E], now_s: float) -> IntakeResult:
        """Publish what is good in a request and say what became of it."""
        parts: list[tuple[Intake[Any], DecodedBatch[Any]]] = []
        if decoded.points is not None:
            parts.append((self._points, decoded.points))
        if decoded.events is not None:
            parts.append((self._events, decoded.events))
        parts += [(self._points, each) for each in decoded.more]
        tokens = sum(max(part.batch.taken, len(part.batch)) + len(part.rejected) for _, part in parts)
        wait_s = self._limits.take(grant, tokens, now_s)
        if wait_s > 0:
            return IntakeResult(Outcome.NOT_ACCEPTED, 0, [], wait_s)
        claims = [await intake.claim(part.batch) for intake, part in parts]
        if False in claims:
            await _released(parts, claims)
            return IntakeResult(Outcome.NOT_ACCEPTED, 0, [], conflict=True)
        # Both are on their way before one is waited for.
        waiting = [intake.put(*part) for intake, part in parts]
        outcome = _together([await each for each in waiting if each is not None])
        if outcome is Outcome.ACCEPTED:
            warned = [warning for intake, part in parts for warning in intake.accepted(grant, part.batch)]
            taken = sum(part.batch.taken for _, part in parts)
            return IntakeResult(outcome, taken, _rejected(parts), warnings=warned)
        if outcome is Outcome.NOT_ACCEPTED:
            await _released(parts, claims)
        return IntakeResult(outcome, 0, [])

    def has_series_ids(self) -> bool:
        """Whether points can be given to their series by now."""
        return self._points.not_ready is None

    async def report(self, batch: P) -> bool:
        """Publish points of our own about a tenant, whatever it may still send; whether the log has them."""
        waiting = self._points.put(batch, [])
        return waiting is None or await waiting is Outcome.ACCEPTED


def _rejected(parts: Sequence[tuple[Intake[Any], DecodedBatch[Any]]]) -> list[Rejection]:
    """All refusals of a request, by index."""
    if len(parts) == 1:
        return parts[0][1].rejected
    return sorted((each for _, part in parts for each in part.rejected), key=lambda each: each.index)


async def _released(
    parts: Sequence[tuple[Intake[Any], DecodedBatch[Any]]], claims: Sequence[bool | None]
) -> None:
    for (intake, part), claimed in zip(parts, claims, strict=True):
        if claimed:
            await intake.release(part.batch)


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a request; of one that is in the log in part, the client may only say the same again."""
    found = set(outcomes)
    if len(found) > 1:
        return Outcome.UNKNOWN
    return found.pop() if found else Outcome.ACCEPTED
