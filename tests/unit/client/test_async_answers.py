"""Answers as servers and proxies write them, to the client for asyncio: each is read, or comes to nothing in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidegauge_client import AsyncTelemetry

BODY = b'{"accepted":1,"rejected":[]}'
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)


@asynccontextmanager
async def answering(answers: list[bytes]) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that gives these bytes as answers, the last of them for ever; an empty one hangs up."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(connections)
        connections.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            asked.append(connection)
            answer = answers[min(len(asked), len(answers)) - 1]
            writer.write(answer)
            if not answer or b"HTTP/1.0" in answer or b"no length" in answer:
                break
        writer.close()

    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for writer in connections:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        pytest.param(b"HTTP/1.1 202 Accepted\r\n" + LENGTH + BODY, [0, 0], id="with a length"),
        pytest.param(b"HTTP/1.1 202\r\n" + LENGTH + BODY, [0, 0], id="without a reason"),
        pytest.param(
            b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5;x=y\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n",
            [0, 0],
            id="in chunks",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n" + LENGTH + BODY, [0, 0], id="behind another"
        ),
        pytest.param(
            b"HTTP/1.1 202 Accepted\r\nConnection: Close\r\n" + LENGTH + BODY, [0, 1], id="the last of its connection"
        ),
        pytest.param(b"HTTP/1.0 202 Accepted\r\n" + LENGTH + BODY, [0, 1], id="of HTTP/1.0"),
        pytest.param(b"HTTP/1.1 202 Accepted\r\nX: no length\r\n\r\n" + BODY, [0, 1], id="until the end"),
    ],
)  # fmt: skip
async def test_an_answer_is_read_to_its_end(answer: bytes, connections: list[int]) -> None:
    """The connection goes on where it may."""
    async with answering([answer]) as (url, asked), AsyncTelemetry(url, "key") as telemetry:
        for value in range(2):
            telemetry.point("load", value)
            assert await telemetry.flush(30)

        assert (2, {}, connections) == (telemetry.stats.sent, telemetry.stats.dropped, asked)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 20X\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 202\r\nContent-Length: many\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 202\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="no chunk"),
        pytest.param(b"HTTP/1.1 202\r\nX: " + b"y" * 100_000, id="a head without end"),
        pytest.param(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{", id="half an answer"),
        pytest.param(b"HTTP/1.1 202 Accepted\r\n", id="half a head"),
    ],
)
async def test_what_is_no_answer_is_asked_again(answer: bytes) -> None:
    """Over a new connection, and what comes then counts."""
    good = b"HTTP/1.1 202 Accepted\r\n" + LENGTH + BODY
    settings = {"retry_first_s": 0.001, "retry_longest_s": 0.001, "timeout_s": 0.3}
    async with answering([answer, good]) as (url, asked), AsyncTelemetry(url, "key", **settings) as telemetry:
        telemetry.point("load", 1)

        assert await telemetry.flush(30)
        assert (1, 1, [0, 1]) == (telemetry.stats.sent, telemetry.stats.retries, asked)
