"""What HTTP lets a client send, and what it does not: one request a row, over bare sockets."""

import asyncio
import json

import pytest

from tests.support.http.bare import head, opened, posted
from tests.support.http.gateway import Gateway, points
from tests.support.wait import until

pytestmark = pytest.mark.servers

BODY = json.dumps(points([8100])).encode()
WHOLE = posted(BODY)
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = head(transfer_encoding="chunked")
MALFORMED = (400, "malformed_http")


def without(request: bytes, line: bytes) -> bytes:
    """A request without a line of its head."""
    assert line in request
    return request.replace(line, b"", 1)


def also(line: bytes) -> bytes:
    """The whole request with one more line in its head."""
    return WHOLE.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(also(b"transfer-encoding: chunked"), MALFORMED, id="length and chunks"),
        pytest.param(also(b"content-length: 3"), MALFORMED, id="two lengths"),
        pytest.param(CHUNKED + b"5\r\nhelloXX0\r\n\r\n", MALFORMED, id="a chunk that ends wrongly"),
        pytest.param(CHUNKED + b"5\nhello\r\n0\r\n\r\n", MALFORMED, id="a size that ends wrongly"),
        pytest.param(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", MALFORMED, id="a size that is none"),
        pytest.param(WHOLE.replace(LENGTH, b"content-length: 0x10\r\n"), MALFORMED, id="a length in hex"),
        pytest.param(WHOLE.replace(LENGTH, b"content-length: -1\r\n"), MALFORMED, id="a length below 0"),
        pytest.param(also(b"x: a\0b"), MALFORMED, id="NUL in a header"),
        pytest.param(also(b"x : a"), MALFORMED, id="a blank before the colon"),
        pytest.param(also(b"x: a\r\n b"), MALFORMED, id="a folded header"),
        pytest.param(without(WHOLE, b"host: x\r\n"), MALFORMED, id="no host"),
        pytest.param(also(b"host: y"), MALFORMED, id="two hosts"),
        pytest.param(
            without(WHOLE, b"host: x\r\n").replace(b"/1.1", b"/1.0"), (202, ""), id="no host in 1.0"
        ),
        pytest.param(b"\x16\x03\x01\x02 not http\r\n\r\n", MALFORMED, id="another protocol"),
        pytest.param(head(method="BREW"), (501, "unknown_method"), id="a method that is none"),
        pytest.param(head(method="TRACE"), (405, "method_not_allowed"), id="TRACE"),
        pytest.param(head(method="PUT", length=0), (405, "method_not_allowed"), id="PUT"),
        pytest.param(head(method="GET"), (405, "method_not_allowed"), id="GET"),
        pytest.param(posted(BODY, "//v1//telemetry"), (404, "not_found"), id="two slashes"),
        pytest.param(posted(BODY, "/v1/%2e%2e/v1/telemetry"), (404, "not_found"), id="a way up"),
        pytest.param(posted(BODY, "/v1/telemetry%00"), (404, "not_found"), id="NUL in the path"),
        pytest.param(
            CHUNKED + b"%x;a=b\r\n%b\r\n0\r\nx-t: 1\r\n\r\n" % (len(BODY), BODY), (202, ""), id="trailers"
        ),
        pytest.param(WHOLE.replace(b"/v1/t", b"http://x/v1/t", 1), (202, ""), id="a whole address"),
    ],
)
async def test_a_request_is_answered_as_http_has_it(
    gateway: Gateway, request_: bytes, expected: tuple[int, str]
) -> None:
    """RFC 9110 and 9112; what is no HTTP has one answer, which is a problem as well, and ends the connection."""
    one = await opened(gateway.port)
    await one.send(request_)

    assert expected == await one.answer()
    if expected == MALFORMED:
        assert b"" == await one.closed()
    one.close()


@pytest.mark.parametrize("kept", [1, 0], ids=["within the body", "behind it"])
async def test_a_client_that_leaves_harms_nobody(gateway: Gateway, kept: int) -> None:
    """Of a body that was not whole nothing counts; of a whole one all or nothing; no log speaks of an error."""
    value = 8200.0 + kept
    said_before = len(gateway.intake.log.read_text())
    request = posted(json.dumps(points([value])).encode())
    one = await opened(gateway.port)
    await one.send(request[: len(request) - kept])
    one.close()

    async def is_over() -> bool:
        return await gateway.intake.shown("gateway_open_requests") == 0

    await until(is_over, "nothing is under way")
    assert (await gateway.post(points([8300]))).status_code == 202
    assert (await gateway.values()).count(value) in ([0] if kept else [0, 1])
    assert '"level":"error"' not in gateway.intake.log.read_text()[said_before:]


@pytest.mark.parametrize(
    ("begin", "drip", "expected"),
    [
        pytest.param(b"POST /v1/telemetry HTTP/1.1\r\nx: ", b"f", (0, ""), id="a head"),
        pytest.param(head(length=1000), b"{", (408, "body_too_slow"), id="a body with a key"),
        pytest.param(head(key="", length=1000), b"{", (401, "unauthorised"), id="a body without one"),
    ],
)
async def test_what_drips_holds_no_connection(
    gateway: Gateway, begin: bytes, drip: bytes, expected: tuple[int, str]
) -> None:
    """A byte now and then gives no more time to a head; a body may take its time, and comes to an end."""
    one = await opened(gateway.port)
    await one.send(begin)

    async def dripping() -> None:
        while True:
            await one.send(drip)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(dripping())
    answer = await one.answer()
    rest = await one.closed()
    task.cancel()

    assert (expected, b"") == (answer, rest)


async def test_who_reads_no_answer_holds_no_connection(gateway: Gateway) -> None:
    """Answers wait for their client for a while, and then it is cut off; what it asked for is not made any more."""
    one = await opened(gateway.port)
    one.writer.transport.pause_reading()
    asked = head("/openapi.json", key="", method="GET") * 1000
    sending = asyncio.create_task(one.send(*[asked] * 100))

    async def is_cut_off() -> bool:
        return await gateway.intake.shown('gateway_edge_refused_total{code="answer_unread"') > 0

    await until(is_cut_off, "the connection is cut off")
    await sending
    one.writer.transport.abort()
