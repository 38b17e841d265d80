"""A request that brings points and events: both reach their logs at once, and one answer speaks for both."""

from dataclasses import dataclass, field
from itertools import count

import pytest

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import Outcome
from services.gateway.intake.service import DecodedBatch, DecodedRequest, Intake, IntakeCounters, Intakes
from tests.support.idempotency import FakeIdempotencyClaims

GRANT = Grant(1, "write", 100.0, 100.0)
_number = count()


@dataclass
class Batch:
    """What one request brings of one signal."""

    taken: int
    overflowed: int = 0
    identity: Identity | None = None

    def __len__(self) -> int:
        return self.taken


@dataclass
class Log:
    """Gives every publication the outcome it is told to."""

    outcome: Outcome = Outcome.ACCEPTED
    published: list[int] = field(default_factory=list)
    noted: int = 0

    def refusal(self) -> str | None:
        """It is there."""
        return None

    async def publish(self, batch: Batch) -> Outcome:
        """Remember when."""
        self.published.append(next(_number))
        return self.outcome

    def note(self, batch: Batch) -> None:
        """Count what has nothing to publish."""
        self.noted += 1


def intakes(points: Log, events: Log, claims: FakeIdempotencyClaims | None = None) -> Intakes[Batch, Batch]:
    """Both signals on these logs."""
    shared = claims or FakeIdempotencyClaims()
    return Intakes(
        Intake(points, IntakeCounters(), shared), Intake(events, IntakeCounters(), shared), TenantLimits()
    )


def both(
    points: int = 2, events: int = 3, rejected: tuple[int, int] = (5, 0), key: str = ""
) -> DecodedRequest[Batch, Batch]:
    """A request of so many points and events."""
    names = [Identity(f"{key}{signal}".encode(), 1, keyed=True) if key else None for signal in "pe"]
    refusals = [[Rejection(index, "bad", "")] for index in rejected]
    return DecodedRequest(
        DecodedBatch(Batch(points, identity=names[0]), refusals[0]),
        DecodedBatch(Batch(events, identity=names[1]), refusals[1]),
    )


@pytest.mark.parametrize(
    ("points", "events", "outcome"),
    [
        (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.ACCEPTED),
        (Outcome.ACCEPTED, Outcome.NOT_ACCEPTED, Outcome.UNKNOWN),
        (Outcome.NOT_ACCEPTED, Outcome.ACCEPTED, Outcome.UNKNOWN),
        (Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.UNKNOWN),
        (Outcome.NOT_ACCEPTED, Outcome.NOT_ACCEPTED, Outcome.NOT_ACCEPTED),
    ],
)
async def test_one_answer_speaks_for_both(points: Outcome, events: Outcome, outcome: Outcome) -> None:
    """What is in one log and not in the other is unknown, so that the client says the same again."""
    result = await intakes(Log(points), Log(events)).accept(GRANT, both(), 0)

    assert (outcome, 5 if outcome is Outcome.ACCEPTED else 0) == (result.outcome, result.accepted)


async def test_refusals_of_both_come_by_index() -> None:
    """As they lay in the request."""
    result = await intakes(Log(), Log()).accept(GRANT, both(), 0)

    assert [0, 5] == [each.index for each in result.rejected]


async def test_a_signal_without_rows_is_noted_and_not_waited_for() -> None:
    """Its refusals still reach the ledger."""
    points, events = Log(), Log()

    result = await intakes(points, events).accept(GRANT, both(events=0), 0)

    assert (2, 1, 0, 1) == (result.accepted, len(points.published), len(events.published), events.noted)


async def test_both_draw_on_one_allowance() -> None:
    """Over it nothing reaches either log."""
    points, events = Log(), Log()
    both_in = intakes(points, events)

    results = [await both_in.accept(GRANT, both(points=49, events=49), 0) for _ in range(2)]

    assert [False, True] == [result.retry_after_s > 0 for result in results]
    assert (1, 1) == (len(points.published), len(events.published))


async def test_a_key_that_stands_for_another_body_keeps_both_out() -> None:
    """And the half that was free is free again."""
    claims = FakeIdempotencyClaims()
    await claims.claim_idempotency_key(Identity(b"ke", 2, keyed=True))

    result = await intakes(Log(), Log(), claims).accept(GRANT, both(key="k"), 0)

    assert result.conflict
    assert await claims.claim_idempotency_key(Identity(b"kp", 7, keyed=True))
