"""The hot route as an ASGI callable, on a log that does as it is told."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from services.gateway.adapters.batches import Chunk
from services.gateway.adapters.decoders.native import Decoder
from services.gateway.adapters.http_body import Limits
from services.gateway.adapters.http_intake import Budget, Decoded, Doors, IntakeRoute
from services.gateway.domain.receipts import Admitted, admitted
from services.gateway.ports import Grant, Outcome
from services.gateway.service import Intake, KeyRing, Load, Tally
from shared.errors import Unavailable

GOOD = json.dumps({"points": [{"name": "a", "value": 1}]}).encode()


class FakeLog:
    """Gives every publication the outcome it is told to."""

    def __init__(self, outcome: Outcome = Outcome.ACCEPTED, down: str | None = None) -> None:
        self.outcome = outcome
        self.down = down
        self.rows = 0
        self.noted: list[Admitted] = []

    def refusal(self) -> str | None:
        """Why nothing can be taken now."""
        return self.down

    async def publish(self, chunk: Chunk) -> Outcome:
        """Count the rows."""
        self.rows += len(chunk)
        return self.outcome

    def note(self, chunk: Chunk) -> None:
        """Remember what was refused."""
        self.noted.append(chunk.admitted)


class FakeGrants:
    """Knows one key, or is away."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up

    async def find(self, key_hash: bytes) -> Grant | None:
        """Any key is a good one."""
        if not self.up:
            raise Unavailable("postgres", "away")
        return Grant(1, "write", 100.0, 100.0)


@dataclass
class Counts:
    """What the route counts."""

    load: Load
    tally: Tally


def route(log: FakeLog, grants: FakeGrants, budget: Budget) -> tuple[IntakeRoute[Chunk], Counts]:
    """The route on fakes."""
    counts = Counts(Load(), Tally())
    limits = Limits(wire_bytes=10_000, decoded_bytes=20_000, idle_s=0.05, total_s=1.0)
    doors = Doors(KeyRing(grants), limits, budget, counts.load)
    decoder = Decoder(1000, 1000)

    def decode(body: bytes, tenant_id: int, received_at_ms: int) -> Decoded[Chunk]:
        found = decoder.decode(body, tenant_id, received_at_ms)
        counted = admitted(tenant_id, len(found.points), found.rejected)
        return Decoded(Chunk(found.catalogue, found.points, received_at_ms, counted), found.rejected)

    return IntakeRoute(doors, Intake(log, counts.tally), decode, counts.tally), counts


async def post(
    made: IntakeRoute[Chunk], parts: Iterable[bytes | None], *headers: tuple[bytes, bytes]
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

    given = [(b"x-api-key", b"k"), (b"content-type", b"application/json"), *headers]
    await made({"type": "http", "method": "POST", "headers": given}, receive, send)
    return sent


@pytest.mark.parametrize(
    ("log", "grants", "budget", "status", "outcome", "rows"),
    [
        pytest.param(FakeLog(), FakeGrants(), Budget(9, 10**6), 202, None, 1, id="accepted"),
        pytest.param(
            FakeLog(Outcome.UNKNOWN), FakeGrants(), Budget(9, 10**6), 503, "unknown", 1, id="no ack"
        ),
        pytest.param(
            FakeLog(Outcome.NOT_ACCEPTED),
            FakeGrants(),
            Budget(9, 10**6),
            503,
            "not_accepted",
            1,
            id="given back",
        ),
        pytest.param(
            FakeLog(down="away"), FakeGrants(), Budget(9, 10**6), 503, "not_accepted", 0, id="log away"
        ),
        pytest.param(
            FakeLog(), FakeGrants(up=False), Budget(9, 10**6), 503, "not_accepted", 0, id="keys away"
        ),
        pytest.param(
            FakeLog(), FakeGrants(), Budget(0, 10**6), 503, "not_accepted", 0, id="too many requests"
        ),
        pytest.param(FakeLog(), FakeGrants(), Budget(9, 9_999), 503, "not_accepted", 0, id="too many bytes"),
        pytest.param(
            FakeLog(), FakeGrants(), Budget(1, 10_000), 202, None, 1, id="exactly within the budget"
        ),
    ],
)
async def test_every_outcome_has_its_answer(
    log: FakeLog, grants: FakeGrants, budget: Budget, status: int, outcome: str | None, rows: int
) -> None:
    """A refusal says whether anything was produced and when to come again, and holds nothing afterwards."""
    made, counts = route(log, grants, budget)

    start, body = await post(made, [GOOD, b""])

    assert (status, outcome) == (start["status"], json.loads(body["body"]).get("outcome"))
    assert (status == 503) == (b"retry-after" in dict(start["headers"]))
    assert (0, 0, rows) == (counts.load.bytes, counts.load.requests, log.rows)


@pytest.mark.parametrize(
    ("parts", "answered"),
    [
        pytest.param([GOOD, b""], [202], id="two parts"),
        pytest.param([bytes([byte]) for byte in GOOD] + [b""], [202], id="byte by byte"),
        pytest.param([GOOD[:5], None], [], id="client leaves"),
        pytest.param([None], [], id="client leaves at once"),
        pytest.param([], [408], id="no body at all"),
        pytest.param([GOOD[:5]], [408], id="stalls"),
        pytest.param([b" " * 10_000, b""], [400], id="exactly the limit"),
        pytest.param([b" " * 10_001, b""], [413], id="one byte more, at once"),
        pytest.param([b" " * 6_000, b" " * 4_001, b""], [413], id="one byte more, in parts"),
    ],
)
async def test_a_body_is_read_as_it_comes(parts: list[bytes | None], answered: list[int]) -> None:
    """In any parts, under limits, and without an answer for who has left."""
    made, counts = route(FakeLog(), FakeGrants(), Budget(9, 10**6))

    sent = await post(made, parts)

    assert answered == [message["status"] for message in sent if "status" in message]
    assert (0, 0) == (counts.load.bytes, counts.load.requests)


async def test_over_the_allowance_nothing_reaches_the_log() -> None:
    """429 with the seconds to wait; the rejected count too, so that bad input is not free."""
    log = FakeLog()
    made, counts = route(log, FakeGrants(), Budget(9, 10**6))
    hundred = json.dumps({"points": [{"name": "a", "value": 1}] * 99 + [{"name": ""}]}).encode()

    first, second = (await post(made, [hundred, b""]), await post(made, [GOOD, b""]))

    assert [202, 429] == [answer[0]["status"] for answer in (first, second)]
    assert b"1" == dict(second[0]["headers"])[b"retry-after"]
    assert (99, 1) == (log.rows, counts.tally.rejected.total())
