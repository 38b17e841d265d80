"""The order of steps of what is taken in: may they, may so much, then publish and wait for the broker.

Times are monotonic seconds (`_s`), an argument. An accepted point is in the log, and every refusal says whether it is
worth coming again.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.series_limit import SeriesLimitWarning, warnings
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import IdempotencyClaims, IntakeBatch, Outcome, Publisher
from shared.errors import Unavailable

C = TypeVar("C", bound=IntakeBatch)


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

    def __init__(
        self,
        publisher: Publisher[C],
        counters: IntakeCounters,
        claims: IdempotencyClaims,
        limits: TenantLimits,
    ) -> None:
        self._publisher = publisher
        self._counters = counters
        self._claims = claims
        self._limits = limits
        self.draining: str | None = None
        """Why this process takes nothing any more."""

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.draining or self._publisher.refusal()

    async def accept(self, grant: Grant, batch: C, rejected: list[Rejection], now_s: float) -> IntakeResult:
        """Publish what is good in a request and say what became of it."""
        taken = batch.taken
        wait_s = self._limits.take(grant, max(taken, len(batch)) + len(rejected), now_s)
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
            return IntakeResult(outcome, taken, rejected, warnings=self._warnings(grant, batch))
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
