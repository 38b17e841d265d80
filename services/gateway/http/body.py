"""Reads a request's body within limits of size and time, and inflates gzip within a limit of its own.

Bytes and seconds. Memory never exceeds the limits, however the client sends. The rest of a refused body is drained, or
the connection is closed.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass
from typing import Any

from services.gateway.http.problems import Headers, Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]

DRAIN_BYTES = 16 << 20
"""Most that is read of a body only to throw it away: closing at once would reset the answer with it."""

DRAIN_S = 2.0
"""How long that may take."""

GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may be."""

    wire_bytes: int
    decoded_bytes: int
    idle_s: float
    total_s: float


class Incoming:
    """The body of one request, on its way."""

    __slots__ = ("_complete", "_expects", "_receive", "encoding", "length", "media")

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self._complete = False
        self._expects = False
        self.length: int | None = None
        self.media = b""
        self.encoding = b""
        for name, value in headers:
            if name == b"content-length":
                self.length = int(value)
            elif name == b"content-type":
                self.media = value
            elif name == b"content-encoding":
                self.encoding = value.strip().lower()
            elif name == b"expect":
                self._expects = True

    def check(self, limits: Limits, *, plain_text: bool = False) -> None:
        """Raise `Problem` when the body need not be read at all; a beacon says of its JSON that it is plain text."""
        if self.media != b"application/json" and not _is_json(self.media, plain_text=plain_text):
            raise Problem(415, "unsupported_media_type", "Content-Type: must be application/json in UTF-8")
        if self.encoding not in (b"", b"identity", b"gzip"):
            raise Problem(
                415, "unsupported_encoding", "Content-Encoding: must be gzip or none",
                headers=[(b"accept-encoding", b"gzip, identity")],
            )  # fmt: skip
        if self.length is not None and self.length > limits.wire_bytes:
            raise too_large(limits.wire_bytes)

    async def read(self, limits: Limits) -> bytes | None:
        """The body on the wire, None when the client left; raise `Problem` for one too large or too slow."""
        receiving = self._receive()
        try:
            # Most bodies are there already; only the others pay for timers.
            waits_for = receiving.send(None)
        except StopIteration as done:
            part = self._part(done.value)
            if part is None or self._complete:
                return part if part is None else _sized(part, limits)
            parts, first = [part], None
        else:
            parts, first = [], _Resumed(receiving, waits_for)
        return b"".join(parts) if await self._collect(parts, limits, first) else None

    async def _collect(self, parts: list[bytes], limits: Limits, first: Awaitable[Message] | None) -> bool:
        """Add what is still to come; False when the client left."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limits.total_s
        size = sum(map(len, parts))
        try:
            async with asyncio.timeout(limits.idle_s) as patience:
                while not self._complete:
                    part = self._part(await (first or self._receive()))
                    first = None
                    if part is None:
                        return False
                    parts.append(part)
                    size += len(part)
                    if size > limits.wire_bytes:
                        raise too_large(limits.wire_bytes)
                    patience.reschedule(min(loop.time() + limits.idle_s, end_s))
        except TimeoutError as error:
            raise Problem(
                408, "body_too_slow", "body: it did not arrive in time", headers=[(b"connection", b"close")]
            ) from error
        return True

    async def drained(self) -> bool:
        """Whether the rest of a refused body has been read, so that the connection may be kept."""
        if self._complete:
            return True
        if self._expects or (self.length or 0) > DRAIN_BYTES:
            return False
        size = 0
        try:
            async with asyncio.timeout(DRAIN_S):
                while size <= DRAIN_BYTES and not self._complete:
                    part = self._part(await self._receive())
                    if part is None:
                        return False
                    size += len(part)
        except TimeoutError:
            return False
        return self._complete

    def _part(self, message: Message) -> bytes | None:
        if message["type"] == "http.disconnect":
            return None
        self._complete = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


class _Resumed:
    """Goes on with a coroutine that has already run up to its first wait."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, Message], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[object, object, Message]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 - handed on, a cancellation above all
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
        except StopIteration as done:
            message: Message = done.value
            return message


def _sized(body: bytes, limits: Limits) -> bytes:
    if len(body) > limits.wire_bytes:
        raise too_large(limits.wire_bytes)
    return body


def too_large(limit: int) -> Problem:
    """The body is beyond a limit."""
    return Problem(413, "body_too_large", f"body: at most {limit} bytes")


def _is_json(media: bytes, *, plain_text: bool) -> bool:
    kind, *parameters = [part.strip().lower() for part in media.split(b";")]
    return (kind == b"application/json" or (plain_text and kind == b"text/plain")) and all(
        part.replace(b'"', b"") in (b"", b"charset=utf-8") for part in parameters
    )


def inflate(body: bytes, limit: int) -> bytes:
    """The one gzip member of a body; raise `Problem` for anything else or for more than `limit` bytes."""
    stream = zlib.decompressobj(GZIP)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, "bad_gzip", "body: is not gzip") from error
    if len(plain) > limit:
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise Problem(400, "bad_gzip", "body: must be one whole gzip member")
    return plain
