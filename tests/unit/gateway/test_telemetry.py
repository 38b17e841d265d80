"""The hot route as an ASGI callable, on a log that does as it is told."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.http.body import Limits
from services.gateway.intake.adapters import intake_batches
from services.gateway.intake.adapters.http import ConcurrencyLimits, IntakeContext, IntakeRoute
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import Admitted
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import Outcome
from services.gateway.intake.protocols.native.decode import NativePoints
from services.gateway.intake.publish.point_batches import PointIntakeBatch
from services.gateway.intake.service import InFlight, Intake, IntakeCounters
from shared.errors import Unavailable
from shared.model.batch_id import id_of_key
from shared.runtime.clock import now_ms
from tests.support.idempotency import FakeIdempotencyClaims

GOOD = json.dumps({"points": [{"name": "a", "value": 1}]}).encode()


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

    in_flight: InFlight
    counters: IntakeCounters


def route(
    log: FakeLog,
    grants: FakeGrants,
    concurrency: ConcurrencyLimits,
    claims: FakeIdempotencyClaims | None = None,
) -> tuple[IntakeRoute[PointIntakeBatch], Counts]:
    """The route on fakes."""
    counts = Counts(InFlight(), IntakeCounters())
    limits = Limits(wire_bytes=10_000, decoded_bytes=20_000, idle_s=0.05, total_s=1.0)
    context = IntakeContext(KeyCache(grants), limits, concurrency, counts.in_flight)
    decode = intake_batches.of_points(NativePoints(1000), PointAdmission(1000))

    intake = Intake(log, counts.counters, claims or FakeIdempotencyClaims(), TenantLimits())
    return IntakeRoute(context, intake, decode, counts.counters), counts


async def post(
    made: IntakeRoute[PointIntakeBatch], parts: Iterable[bytes | None], *headers: tuple[bytes, bytes]
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
    ("log", "grants", "concurrency", "status", "outcome", "rows"),
    [
        pytest.param(FakeLog(), FakeGrants(), ConcurrencyLimits(9, 10**6), 202, None, 1, id="accepted"),
        pytest.param(
            FakeLog(Outcome.UNKNOWN),
            FakeGrants(),
            ConcurrencyLimits(9, 10**6),
            503,
            "unknown",
            1,
            id="no ack",
        ),
        pytest.param(
            FakeLog(Outcome.NOT_ACCEPTED),
            FakeGrants(),
            ConcurrencyLimits(9, 10**6),
            503,
            "not_accepted",
            1,
            id="given back",
        ),
        pytest.param(
            FakeLog(down="away"),
            FakeGrants(),
            ConcurrencyLimits(9, 10**6),
            503,
            "not_accepted",
            0,
            id="log away",
        ),
        pytest.param(
            FakeLog(),
            FakeGrants(up=False),
            ConcurrencyLimits(9, 10**6),
            503,
            "not_accepted",
            0,
            id="keys away",
        ),
        pytest.param(
            FakeLog(),
            FakeGrants(),
            ConcurrencyLimits(0, 10**6),
            503,
            "not_accepted",
            0,
            id="too many requests",
        ),
        pytest.param(
            FakeLog(), FakeGrants(), ConcurrencyLimits(9, 9_999), 503, "not_accepted", 0, id="too many bytes"
        ),
        pytest.param(
            FakeLog(),
            FakeGrants(),
            ConcurrencyLimits(1, 10_000),
            202,
            None,
            1,
            id="exactly within the budget",
        ),
    ],
)
async def test_every_outcome_has_its_answer(
    log: FakeLog,
    grants: FakeGrants,
    concurrency: ConcurrencyLimits,
    status: int,
    outcome: str | None,
    rows: int,
) -> None:
    """A refusal says whether anything was produced and when to come again, and holds nothing afterwards."""
    made, counts = route(log, grants, concurrency)

    start, body = await post(made, [GOOD, b""])

    assert (status, outcome) == (start["status"], json.loads(body["body"]).get("outcome"))
    assert (status == 503) == (b"retry-after" in dict(start["headers"]))
    assert (0, 0, rows) == (counts.in_flight.bytes, counts.in_flight.requests, log.rows)


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
    made, counts = route(FakeLog(), FakeGrants(), ConcurrencyLimits(9, 10**6))

    sent = await post(made, parts)

    assert answered == [message["status"] for message in sent if "status" in message]
    assert (0, 0) == (counts.in_flight.bytes, counts.in_flight.requests)


async def test_over_the_allowance_nothing_reaches_the_log() -> None:
    """429 with the seconds to wait; the rejected count too, so that bad input is not free."""
    log = FakeLog()
    made, counts = route(log, FakeGrants(), ConcurrencyLimits(9, 10**6))
    hundred = json.dumps({"points": [{"name": "a", "value": 1}] * 99 + [{"name": ""}]}).encode()

    first, second = (await post(made, [hundred, b""]), await post(made, [GOOD, b""]))

    assert [202, 429] == [answer[0]["status"] for answer in (first, second)]
    assert b"1" == dict(second[0]["headers"])[b"retry-after"]
    assert (99, 1) == (log.rows, counts.counters.rejected.total())


def keyed(key: bytes) -> tuple[bytes, bytes]:
    """The header that names a batch."""
    return b"idempotency-key", key


async def test_a_key_stands_for_one_body() -> None:
    """The same body is taken again, another is refused by name, and it is counted."""
    log = FakeLog()
    made, counts = route(log, FakeGrants(), ConcurrencyLimits(9, 10**6))

    statuses = [
        (await post(made, [body, b""], keyed(b"k-1")))[0]["status"]
        for body in (GOOD, GOOD, GOOD.replace(b"1", b"2"))
    ]

    assert ([202, 202, 422], 2, 1) == (statuses, log.rows, counts.counters.conflicts)
    assert log.identities[0] == log.identities[1]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        pytest.param(Outcome.NOT_ACCEPTED, 202, id="nothing was taken"),
        pytest.param(Outcome.UNKNOWN, 422, id="it may be in the log"),
    ],
)
async def test_a_body_may_be_mended_when_nothing_was_taken(outcome: Outcome, status: int) -> None:
    """A key that was refused with its body is free again; one whose outcome is unknown is not."""
    log = FakeLog(outcome)
    made, _ = route(log, FakeGrants(), ConcurrencyLimits(9, 10**6))
    await post(made, [GOOD, b""], keyed(b"k-1"))
    log.outcome = Outcome.ACCEPTED

    sent = await post(made, [GOOD.replace(b"1", b"2"), b""], keyed(b"k-1"))

    assert status == sent[0]["status"]


async def test_without_the_memory_of_keys_everything_is_let_in() -> None:
    """The aggregator still counts a batch once."""
    log = FakeLog()
    made, _ = route(log, FakeGrants(), ConcurrencyLimits(9, 10**6), FakeIdempotencyClaims(up=False))

    statuses = [
        (await post(made, [body, b""], keyed(b"k-1")))[0]["status"]
        for body in (GOOD, GOOD.replace(b"1", b"2"))
    ]

    assert [202, 202] == statuses
    first, second = log.identities
    assert first is not None
    assert second is not None
    assert (True, True) == (first.batch_id == second.batch_id, first.body != second.body)


@pytest.mark.parametrize(
    ("field", "headers", "code"),
    [
        pytest.param(None, [b""], "invalid_idempotency_key", id="empty"),
        pytest.param(None, [b"x" * 256], "invalid_idempotency_key", id="too long"),
        pytest.param(None, [b"a b"], "invalid_idempotency_key", id="a blank"),
        pytest.param(None, [b"\xc3\xa9"], "invalid_idempotency_key", id="not ascii"),
        pytest.param(None, [b"a", b"b"], "two_batch_ids", id="two headers"),
        pytest.param("b", [b"a"], "two_batch_ids", id="header and field differ"),
        pytest.param("", [], "invalid_batch_id", id="empty field"),
        pytest.param("a b", [], "invalid_batch_id", id="a blank in the field"),
        pytest.param(7, [], "invalid_batch_id", id="a number"),
        pytest.param("a", [b"a"], None, id="header and field agree"),
        pytest.param("x" * 255, [b"x" * 255, b"x" * 255], None, id="longest"),
        pytest.param(None, [b"!~"], None, id="first and last visible"),
    ],
)
async def test_a_key_is_a_key(field: object, headers: list[bytes], code: str | None) -> None:
    """1 to 255 visible ASCII characters, one a request, wherever it is said."""
    made, _ = route(FakeLog(), FakeGrants(), ConcurrencyLimits(9, 10**6))
    body = json.loads(GOOD) | ({} if field is None else {"batch_id": field})

    sent = await post(made, [json.dumps(body).encode(), b""], *map(keyed, headers))

    assert (202 if code is None else 400) == sent[0]["status"]
    assert code == json.loads(sent[1]["body"]).get("code")


async def test_a_batch_is_known_by_its_key_or_by_its_content() -> None:
    """A field is as good as a header; without both, only points that bear their own times say who they are."""
    log = FakeLog()
    made, _ = route(log, FakeGrants(), ConcurrencyLimits(9, 10**6))
    timed = json.dumps({"points": [{"name": "a", "value": 1, "ts": now_ms()}]}).encode()
    with_field = json.dumps({"batch_id": "k-2"} | json.loads(GOOD)).encode()
    for body, headers in (
        (timed, [keyed(b"k-1")]), (with_field, []), (timed, []), (timed, []), (GOOD, [])
    ):  # fmt: skip
        await post(made, [body, b""], *headers)

    *ids, none = [None if one is None else (one.batch_id, one.keyed) for one in log.identities]
    keys = [(id_of_key("points", 1, key), True) for key in (b"k-1", b"k-2")]
    assert (keys, ids[2], None) == (ids[:2], ids[3], none)
    assert ids[2] not in {*keys, None}
