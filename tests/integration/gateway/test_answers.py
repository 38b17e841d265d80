"""Every answer of the contract, over real HTTP."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import httpx2
import pytest

from services.gateway.intake.protocols.registry import PATHS as INTAKE
from services.gateway.query.app import DELETED, POSTED
from services.gateway.query.app import PATHS as QUERY
from services.gateway.query.prometheus.http import PATHS as PROMETHEUS
from services.gateway.query.resources.alerts.alertmanager.http import PATHS as ALERTMANAGER
from shared.wire import series
from tests.support.http.gateway import Gateway, points

pytestmark = pytest.mark.servers


def form(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json().get("code", "")


async def test_accepted_points_are_in_the_topic(gateway: Gateway) -> None:
    """A 202 means that every point is in the log once, with its series, kind, unit and weight."""
    answer = await gateway.post(
        points(range(1000, 1500), labels={"b": "2", "a": "1"}, kind="delta", unit="s", weight=2)
    )

    assert (202, {"accepted": 500, "rejected": []}) == (answer.status_code, answer.json())
    found = [
        (series.unpack(batch.series[slot]), value, weight)
        for _, batch in await gateway.batches()
        if batch.points.weight is not None
        for slot, value, weight in zip(
            batch.points.slot, batch.points.value, batch.points.weight, strict=True
        )
    ]
    mine = {f"m{value}" for value in range(1000, 1500)}
    found = [each for each in found if each[0].metric in mine]
    assert [(float(value), 2.0) for value in range(1000, 1500)] == sorted(each[1:] for each in found)
    one = next(owner for owner, value, _ in found if value == 1000)
    assert ("m1000", "delta", "s", (("a", "1"), ("b", "2"))) == (one.metric, one.kind, one.unit, one.labels)


async def test_good_points_of_a_bad_batch_are_taken(gateway: Gateway) -> None:
    """202 names the bad ones; 422 with the same body when none was good."""
    body = points([2000, 2001])
    body["points"].insert(1, {"name": "__bad", "value": 1})  # type: ignore[attr-defined]

    mixed, bad = await gateway.post(body), await gateway.post({"points": [{"name": "a", "value": "1"}]})

    assert (202, 2, [(1, "invalid_name")]) == (
        mixed.status_code, mixed.json()["accepted"], [(r["index"], r["code"]) for r in mixed.json()["rejected"]],
    )  # fmt: skip
    assert (422, 0, ["invalid_value"]) == (
        bad.status_code, bad.json()["accepted"], [r["code"] for r in bad.json()["rejected"]],
    )  # fmt: skip
    assert {2000.0, 2001.0} <= set(await gateway.values())


@pytest.mark.parametrize(
    ("body", "key", "headers", "expected"),
    [
        pytest.param(b"{", "write", {}, (400, "malformed_json"), id="not JSON"),
        pytest.param(b"", "write", {}, (400, "malformed_json"), id="empty"),
        pytest.param({"points": []}, "write", {}, (400, "no_points"), id="no points"),
        pytest.param(points(range(1001)), "write", {}, (413, "too_many_points"), id="1,001 points"),
        pytest.param(b" " * (1 << 20) + b"x", "write", {}, (413, "body_too_large"), id="over 1 MiB"),
        pytest.param(b" " * (6 << 20), "write", {}, (413, "body_too_large"), id="far over 1 MiB"),
        pytest.param(points([1]), None, {}, (401, "unauthorised"), id="no key"),
        pytest.param(points([1]), "wrong", {}, (401, "unauthorised"), id="unknown key"),
        pytest.param(points([1]), "k" * 5000, {}, (401, "unauthorised"), id="long key"),
        pytest.param(points([1]), "revoked", {}, (401, "unauthorised"), id="revoked key"),
        pytest.param(points([1]), "read", {}, (403, "forbidden"), id="read key"),
        pytest.param(points([1]), "write", {"authorization": "Bearer admin"}, (400, "two_keys"), id="two keys"),
        pytest.param(points([1]), None, {"authorization": "Basic write"}, (401, "unauthorised"), id="basic"),
        pytest.param(points([1]), "write", {"content_type": "text/plain"}, (415, "unsupported_media_type"), id="text"),
        pytest.param(
            points([1]), "write", {"content_type": "application/json; charset=latin-1"},
            (415, "unsupported_media_type"), id="latin-1",
        ),
        pytest.param(points([1]), "write", {"content_encoding": "br"}, (415, "unsupported_encoding"), id="brotli"),
        pytest.param(
            points([1]), "write", {"content_encoding": "gzip, gzip"}, (415, "unsupported_encoding"), id="gzip twice"
        ),
        pytest.param(points([1]), "write", {"content_encoding": "gzip"}, (400, "bad_gzip"), id="plain as gzip"),
    ],
)  # fmt: skip
async def test_what_is_wrong_for_ever_is_refused_with_a_code(
    gateway: Gateway, body: Any, key: str | None, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """Each refusal has a status and a stable code, and the body is a problem document."""
    answer = await gateway.post(body, key, **headers)

    assert (expected, "application/problem+json") == (form(answer), answer.headers["content-type"])


@pytest.mark.parametrize("headers", [{"authorization": "Bearer write"}, {"authorization": "bearer admin"}])
async def test_a_bearer_key_is_a_key(gateway: Gateway, headers: dict[str, str]) -> None:
    """Write and admin keys may post."""
    assert 202 == (await gateway.post(points([3000]), None, **headers)).status_code


async def test_gzip_is_inflated_within_limits(gateway: Gateway) -> None:
    """Whole members are taken; truncated, trailing, corrupt, endless and exploding ones are refused."""
    packed = gzip.compress(json.dumps(points([4000])).encode())
    corrupt = packed[:-8] + bytes(8)
    bomb = zlib.compressobj(9, wbits=31)
    huge = bomb.compress(b" " * (64 << 20)) + bomb.flush()
    half = gzip.compress(b" " * (3 << 20))

    answers = [
        await gateway.post(body, content_encoding="gzip")
        for body in (
            packed, gzip.compress(b" ") + packed + gzip.compress(b""), packed[:-9], packed + b"x", corrupt,
            packed + gzip.compress(b"") * 300, huge, half + half,
        )
    ]  # fmt: skip

    assert [202, 202, 400, 400, 400, 400, 413, 413] == [answer.status_code for answer in answers]


async def test_a_body_may_be_packed_as_http_names_it(gateway: Gateway) -> None:
    """`x-gzip` is gzip, and deflate is one whole zlib stream; both within the limit."""
    body = json.dumps(points([4100])).encode()
    sent = [
        ("x-gzip", gzip.compress(body)), ("deflate", zlib.compress(body)), ("DEFLATE", zlib.compress(body)),
        ("deflate", zlib.compress(body)[:-1]), ("deflate", zlib.compress(body) + b"x"), ("deflate", body),
        ("deflate", zlib.compress(b" " * (6 << 20))),
    ]  # fmt: skip

    answers = [await gateway.post(packed, content_encoding=encoding) for encoding, packed in sent]

    assert [202, 202, 202, 400, 400, 400, 413] == [answer.status_code for answer in answers]


async def test_other_methods_are_not_allowed(gateway: Gateway) -> None:
    """405 with what is allowed."""
    async with httpx2.AsyncClient(base_url=gateway.url) as client:
        answer = await client.get("/v1/telemetry")

    assert (405, "OPTIONS, POST") == (answer.status_code, answer.headers["allow"])


async def test_over_the_allowance_nothing_is_taken(gateway: Gateway) -> None:
    """429 says when to come again."""
    first = await gateway.post(points(range(5000, 5005)), "slow")
    second = await gateway.post(points(range(5005, 5010)), "slow")

    assert (202, 429) == (first.status_code, second.status_code)
    assert 1 <= int(second.headers["retry-after"]) <= 5
    assert not {5005.0, 5009.0} & set(await gateway.values())


async def raw(gateway: Gateway, request: bytes, *more: bytes) -> bytes:
    """What a bare socket gets until the other side closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request)
    for part in more:
        await writer.drain()
        writer.write(part)
    try:
        async with asyncio.timeout(8):
            return await reader.read()
    finally:
        writer.close()


HEAD = b"POST /v1/telemetry HTTP/1.1\r\nhost: x\r\nx-api-key: write\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(HEAD + b"content-length: 1000\r\n\r\nabc", b"408", id="a body that stalls"),
        pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", b"408", id="chunks that stall"),
        pytest.param(HEAD + b"content-length: 10000000000\r\n\r\n", b"413", id="10 GB announced"),
        pytest.param(
            HEAD + b"transfer-encoding: chunked\r\n\r\n" + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 8, b"413",
            id="endless chunks",
        ),
        pytest.param(HEAD + b"content-length: 90000000\r\nexpect: 100-continue\r\n\r\n", b"413", id="expect"),
        pytest.param(HEAD + b"content-length: +5\r\n\r\n", b"400", id="signed length"),
    ],
)  # fmt: skip
async def test_no_body_holds_a_connection(gateway: Gateway, request_: bytes, status: bytes) -> None:
    """Slow, endless and oversize bodies get one answer and a closed connection."""
    assert status == (await raw(gateway, request_)).split(b" ", 2)[1]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(b"", b"", id="silence"),
        pytest.param(b"POST /v1/telemetry HTTP/1.1\r\nhost:", b"", id="half a header"),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + b"x-filler: 1234567890\r\n" * 1_000,
            b"HTTP/1.1 431",
            id="endless headers",
        ),
        pytest.param(b"\x16\x03\x01 not http\r\n\r\n", b"HTTP/1.1 400", id="another protocol"),
    ],
)
async def test_headers_that_do_not_come_hold_no_connection(
    gateway: Gateway, sent: bytes, answer: bytes
) -> None:
    """Silent, slow and endless headers end with the connection."""
    assert answer == (await raw(gateway, sent))[:12]


async def test_a_refused_body_does_not_spoil_the_next_request(gateway: Gateway) -> None:
    """What is drained is not read as a request, so the connection may be kept."""
    refused = b"POST /v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n" + b"G" * 30_000
    body = json.dumps(points([6000])).encode()
    good = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    answer = await raw(gateway, refused, good)

    assert [b"401", b"202"] == [part.split(b" ", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:]]


UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


async def test_an_upgrade_is_ignored(gateway: Gateway) -> None:
    """As Java's client and `curl --http2` ask for it; what is pipelined behind it is answered. Source: uvicorn#2722."""
    body = json.dumps(points([6100])).encode()
    length = b"content-length: %d\r\n\r\n" % len(body)
    plain, upgrade, last = (HEAD + more + length + body for more in (b"", UPGRADE, b"connection: close\r\n"))

    answer = await raw(gateway, upgrade + plain + upgrade + last)

    assert [b"202"] * 4 == [part.split(b" ", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_the_contract_is_published(gateway: Gateway) -> None:
    """Each role's OpenAPI knows the routes that it answers, the hot ones included, and no others."""
    async with httpx2.AsyncClient() as client:
        posts, reads = [
            (await client.get(f"{url}/openapi.json")).json()["paths"]
            for url in (gateway.url, gateway.query_url)
        ]

    assert set(INTAKE) == posts.keys()
    # Prometheus and Alertmanager describe their own APIs.
    own = {path.replace(":path", "") for path in (*QUERY, *POSTED, *DELETED)} - {*PROMETHEUS, *ALERTMANAGER}
    assert own | {"/health"} == reads.keys()


async def test_metrics_count_what_happened(gateway: Gateway) -> None:
    """Accepted points, refusals and ticks are there as counters."""
    await gateway.post(points([7000]))
    text = await gateway.intake.metrics()

    assert all(f"gateway_{name}_total" in text for name in ("accepted", "requests", "flushes", "bytes"))
