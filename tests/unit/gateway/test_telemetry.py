"""The hot route as an ASGI callable, on a log that does as it is told."""

import json

import pytest

from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.in_flight import ConcurrencyLimits
from services.gateway.intake.ports import Outcome
from shared.model.batch_id import id_of_key
from shared.runtime.clock import now_ms
from tests.support.http.intake import GOOD, FakeGrants, FakeLog, post, route
from tests.support.idempotency import FakeIdempotencyClaims


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
    made, counts = route(log, FakeGrants(Grant(1, "write", 0.001, 100.0)), ConcurrencyLimits(9, 10**6))
    hundred = json.dumps({"points": [{"name": "a", "value": 1}] * 99 + [{"name": ""}]}).encode()

    first, second = (await post(made, [hundred, b""]), await post(made, [GOOD, b""]))

    assert [202, 429] == [answer[0]["status"] for answer in (first, second)]
    assert b"1000" == dict(second[0]["headers"])[b"retry-after"]
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
