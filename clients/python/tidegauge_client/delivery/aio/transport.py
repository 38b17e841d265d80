"""One kept-alive connection to the gateway, over the streams of asyncio: HTTP/1.1 as a client of one server needs it.

Spans are seconds. Redirects are not followed. A connection that the gateway closed while it was idle is opened again,
and the request repeated once. Otherwise a request without an answer raises `Unreachable`, and ends the connection.
"""

import asyncio
import ssl
from contextlib import suppress
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BytesIO

from tidegauge_client.delivery.answer import Answer
from tidegauge_client.delivery.batch import Batch, Content
from tidegauge_client.delivery.transport import MAX_ANSWER_BYTES, Address, Unreachable, headers

MAX_HEAD_BYTES = 64 << 10
"""Longest head of an answer."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PROBLEMS = (OSError, EOFError, ValueError, HTTPException, asyncio.LimitOverrunError)
"""What a broken connection, a slow one, or an answer that is none comes to; `TimeoutError` is an `OSError`."""


class AsyncTransport:
    """Posts batches, one after another."""

    def __init__(self, address: Address, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._tls = (tls or ssl.create_default_context()) if address.secure else None
        self._streams: Streams | None = None
        self._reused = False

    async def connect(self) -> None:
        """Make sure that there is a connection; raise `Unreachable` when there is none."""
        self._reused = self._streams is not None
        try:
            await self._connected()
        except PROBLEMS as problem:
            raise self._unreachable(problem, in_doubt=False) from None

    async def post(self, batch: Batch, content: Content) -> Answer:
        """The answer to a batch; raise `Unreachable` when none comes."""
        try:
            return await self._once(batch, content)
        except PROBLEMS as problem:
            broken = isinstance(problem, ConnectionError | EOFError | ssl.SSLError)
            if not (self._reused and broken):
                raise self._unreachable(problem, in_doubt=True) from None
        try:
            return await self._once(batch, content)
        except PROBLEMS as problem:
            raise self._unreachable(problem, in_doubt=True) from None

    def close(self) -> None:
        """End the connection; the next request makes another."""
        if self._streams is not None:
            with suppress(RuntimeError):  # its loop may have ended
                self._streams[1].transport.abort()
            self._streams = None

    def forget(self) -> None:
        """In a forked child: leave the parent's connection alone."""
        self._inherited, self._streams = self._streams, None

    async def _connected(self) -> Streams:
        if self._streams is None:
            port = self._address.port or (443 if self._address.secure else 80)
            async with asyncio.timeout(self._timeout_s):
                self._streams = await asyncio.open_connection(
                    self._address.host, port, ssl=self._tls, limit=MAX_HEAD_BYTES
                )
        return self._streams

    async def _once(self, batch: Batch, content: Content) -> Answer:
        try:
            reader, writer = await self._connected()
            async with asyncio.timeout(self._timeout_s):
                writer.write(self._head(batch, content) + content.sent)
                with suppress(ConnectionError):  # the gateway may answer a large body before it has read it
                    await writer.drain()
            async with asyncio.timeout(self._timeout_s):
                status, fields = await _head_of(reader)
                body, is_whole = await _body_of(reader, fields)
        except (
            BaseException
        ):  # cancelled as well: what comes next on this connection is the rest of this answer
            self.close()
            raise
        if not is_whole or fields.get("Connection", "").lower() == "close":
            self.close()
        return Answer(status, fields.get("Retry-After"), body.replace(self._address.key.encode(), b"***"))

    def _head(self, batch: Batch, content: Content) -> bytes:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        fields = {
            "Host": host if self._address.port is None else f"{host}:{self._address.port}",
            "Content-Length": str(len(content.sent)),
            **headers(self._address, batch, content),
        }
        lines = [f"POST {self._address.path}{batch.signal.path} HTTP/1.1"]
        lines += [f"{name}: {text}" for name, text in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def _unreachable(self, problem: BaseException, *, in_doubt: bool) -> Unreachable:
        why = f"{type(problem).__name__}: {problem}".replace(self._address.key, "***")
        return Unreachable(why, in_doubt=in_doubt)


async def _head_of(reader: asyncio.StreamReader) -> tuple[int, HTTPMessage]:
    """Status and fields of an answer; those that only say that one will come are passed over."""
    while True:
        line, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        version, status, *_ = line.decode("latin-1").split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"no answer of HTTP: {version[:20]}")
        fields = parse_headers(BytesIO(rest))
        if version == "HTTP/1.0":
            fields["Connection"] = "close"
        if int(status) >= 200:
            return int(status), fields


async def _body_of(reader: asyncio.StreamReader, fields: HTTPMessage) -> tuple[bytes, bool]:
    """The body of an answer as far as it is read, and whether the connection may go on behind it."""
    if "chunked" in fields.get("Transfer-Encoding", "").lower():
        return await _chunks(reader)
    length = fields.get("Content-Length")
    if length is None:
        return await reader.read(MAX_ANSWER_BYTES), False
    return await reader.readexactly(min(int(length), MAX_ANSWER_BYTES)), int(length) <= MAX_ANSWER_BYTES


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    found = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if len(found) + size > MAX_ANSWER_BYTES:
            return found, False
        found += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return found, True
