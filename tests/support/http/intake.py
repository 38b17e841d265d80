"""A route of the intake as an ASGI callable, on a log and keys that do as they are told."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.http.body import Limits
from services.gateway.intake.adapters.http import IntakeContext, IntakeRoute
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.in_flight import ConcurrencyLimits, InFlight
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.domain.refusals import Refusals
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import GrowingBodies, Outcome
from services.gateway.intake.protocols.dialect import Dialect
from services.gateway.intake.protocols.native.decode import NativePoints
from services.gateway.intake.protocols.registry import ProtocolRoute
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import Intake, IntakeCounters, Intakes
from services.gateway.intake.turns import Turns
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s
from tests.support.idempotency import FakeIdempotencyClaims

GOOD = json.dumps({"points": [{"name": "a", "value": 1}]}).encode()


ANY = Grant(1, "write", 100.0, 100.0)
"""What a key gives unless a test says otherwise."""


NATIVE = ProtocolRoute(("points",), NativePoints(1000), Dialect(), "")
"""Our own points."""


class FakeLog:
    """Gives every publication the outcome it is told to."""

    def __init__(self, outcome: Outcome = Outcome.ACCEPTED, down: str | None = None) -> None:
        self.outcome = outcome
        self.down = down
        self.rows = 0
        self.identities: list[Identity | None] = []
        self.noted: list[Admitted] = []

    def refusal(self) -> str | None:
        """Why nothing can be taken now."""
        return self.down

    async def publish(self, batch: PointIntakeBatch) -> Outcome:
        """Count the rows."""
        self.rows += len(batch)
        self.identities.append(batch.identity)
        return self.outcome

    def note(self, batch: PointIntakeBatch) -> None:
        """Remember what was refused."""
        self.noted.append(batch.admitted)


class FakeGrants:
    """Gives every key the same, or is away."""

    def __init__(self, grant: Grant | None = ANY, *, up: bool = True) -> None:
        self.grant = grant
        self.up = up
        self.asked = 0

    async def find(self, key_hash: bytes) -> Grant | None:
        """Any key is a good one, or none is."""
        self.asked += 1
        if not self.up:
            raise Unavailable("postgres", "away")
        return self.grant


@dataclass
class Counts:
    """What the route counts."""

    in_flight: InFlight
    counters: IntakeCounters
    refusals: Refusals


def route(
    log: FakeLog,
    grants: FakeGrants,
    concurrency: ConcurrencyLimits,
    claims: FakeIdempotencyClaims | None = None,
    *,
    idle_s: float = 0.05,
    protocol: ProtocolRoute = NATIVE,
    turns: Turns | None = None,
    max_items: int = 1000,
    growing: GrowingBodies | None = None,
) -> tuple[IntakeRoute, Counts]:
    """The route on fakes."""
    counts = Counts(InFlight(), IntakeCounters(), Refusals())
    limits = Limits(wire_bytes=10_000, decoded_bytes=20_000, idle_s=idle_s, total_s=60.0)
    intake = Intake(log, counts.counters, claims or FakeIdempotencyClaims())
    events: Intake[Any] = Intake(FakeLog(), IntakeCounters(), FakeIdempotencyClaims())
    intakes = Intakes(intake, events, TenantLimits(), growing)
    turns = turns or Turns(2.0, concurrency.requests, monotonic_s)
    context = IntakeContext(
        intakes,
        KeyCache(grants),
        limits,
        concurrency,
        counts.in_flight,
        turns,
        max_items,
        refusals=counts.refusals,
    )
    decode = Decode(protocol.decoder, PointAdmission(1000))
    return IntakeRoute(context, protocol._replace(path="/v1/telemetry"), decode, counts.counters), counts


async def post(
    made: IntakeRoute,
    parts: Iterable[bytes | None],
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    media: bytes = b"application/json",
) -> list[dict[str, Any]]:
    """What the route sends for a body in these parts; None: the client leaves; after them it is silent."""
    waiting = list(parts)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        part = waiting.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(b"x-api-key", b"k"), (b"content-type", media), *headers]
    scope = {"type": "http", "method": method, "headers": given, "path": "/v1/telemetry", "query_string": b""}
    await made(scope, receive, send)
    return sent
