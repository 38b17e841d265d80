"""Reads a request's body within limits of size and time, and inflates gzip and deflate within a limit of its own.

Bytes and seconds. Memory never exceeds the limits, however the client sends. The rest of a refused body is drained, or
the connection is closed.
"""

import asyncio
import zlib
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    MutableMapping,
)
from dataclasses import dataclass
from typing import Any

from services.gateway.http.problems import Headers, Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Inflate = Callable[[bytes, int], bytes]
"""Undoes a content encoding; raises `Problem` for more than so many bytes."""

DRAIN_BYTES = 16 << 20
"""Most that is read of a body only to throw it away: closing at once would reset the answer with it."""

DRAIN_S = 2.0
"""How long that may take."""

TOO_LARGE = "body_too_large"

FREE_BYTES = 256 << 10
"""A body may be unpacked to so many bytes whatever it had on the wire: one of equal points shrinks well."""

GZIP = 16 + zlib.MAX_WBITS

MAX_MEMBERS = 256
"""Gzip members of a body: RFC 1952 2.2 lets there be several, and each costs a copy of what is behind it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may be."""

    wire_bytes: int
    decoded_bytes: int
    idle_s: float
    total_s: float
    objects: int = 1 << 18
    """Objects and lists that a body of JSON may hold."""
    ratio: int = 100
    """So many times its bytes on the wire a body may have unpacked, where it has more than `FREE_BYTES`."""

    def unpacked_bytes(self, wire_bytes: int) -> int:
        """What a body of so many bytes may become."""
        return min(self.decoded_bytes, max(FREE_BYTES, self.ratio * wire_bytes))


class Incoming:
    """The body of one request, on its way."""

    __slots__ = ("_complete", "_expects", "_receive", "_type", "encoding", "length", "media")

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self._complete = False
        self._expects = False
        self.length: int | None = None
        self._type = b""
        self.encoding = b""
        for name, value in headers:
            if name == b"content-length":
                self.length = int(value)
            elif name == b"content-type":
                self._type = value
            elif name == b"content-encoding":
                self.encoding += (b", " if self.encoding else b"") + value.strip().lower()
            elif name == b"expect":
                self._expects = True
        self.media = self._type.partition(b";")[0].strip().lower()
        """Content type without its parameters."""

    def check(self, limits: Limits, media: Collection[bytes], encodings: Collection[bytes]) -> None:
        """Raise `Problem` when the body need not be read at all; no `media`: any content type will do."""
        if media and (self.media not in media or not _is_utf8(self._type)):
            wanted = b" or ".join(sorted(media)).decode()
            raise Problem(415, "unsupported_media_type", f"Content-Type: must be {wanted} in UTF-8")
        if self.encoding not in (b"", b"identity") and self.encoding not in encodings:
            offered = sorted(filter(None, encodings))
            raise Problem(
                415, "unsupported_encoding", f"Content-Encoding: must be {b', '.join(offered).decode()} or none",
                headers=[(b"accept-encoding", b", ".join((*offered, b"identity")))],
            )  # fmt: skip
        if self.length is not None and self.length > limits.wire_bytes:
            raise too_large(limits.wire_bytes)

    def announced(self, limits: Limits) -> int:
        """How many bytes it may have, as far as is known before it is read."""
        return min(self.length, limits.wire_bytes) if self.length else limits.wire_bytes

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
    return Problem(413, TOO_LARGE, f"body: at most {limit} bytes")


def unpacked(content: bytes, undo: Inflate | None, limits: Limits) -> bytes:
    """A body without its encoding; raise `Problem` for one too large."""
    if undo is None:
        if len(content) > limits.decoded_bytes:
            raise too_large(limits.decoded_bytes)
        return content
    limit = limits.unpacked_bytes(len(content))
    try:
        return undo(content, limit)
    except Problem as problem:
        if problem.code == TOO_LARGE and limit < limits.decoded_bytes:
            raise inflated_too_much(limits, len(content)) from problem
        raise


def check_objects(plain: bytes, marks: Iterable[bytes], limit: int) -> None:
    """Raise `Problem` for a body of more objects than that, by the bytes that begin one; nothing is decoded for it."""
    if len(plain) > limit and sum(map(plain.count, marks)) > limit:
        raise Problem(413, "too_many_objects", f"body: at most {limit} objects and lists")


def inflated_too_much(limits: Limits, wire_bytes: int) -> Problem:
    """The body is beyond what it may become."""
    limit = limits.unpacked_bytes(wire_bytes)
    message = f"body: of {wire_bytes} bytes at most {limit} unpacked, {limits.ratio} times as many"
    return Problem(413, "inflated_too_much", message)


def _is_utf8(content_type: bytes) -> bool:
    """Whether a content type names no other charset."""
    parameters = [part.strip().lower().replace(b'"', b"") for part in content_type.split(b";")[1:]]
    return all(
        part in (b"charset=utf-8", b"charset=utf8") for part in parameters if part.startswith(b"charset=")
    )


def inflate(body: bytes, limit: int) -> bytes:
    """The gzip members of a body, end to end; raise `Problem` for anything else or for more than `limit` bytes."""
    plain, rest = _member(body, GZIP, "gzip", limit)
    for _ in range(MAX_MEMBERS):
        if not rest:
            return plain
        more, rest = _member(rest, GZIP, "gzip", limit - len(plain))
        plain += more
    raise Problem(400, "bad_gzip", f"body: at most {MAX_MEMBERS} gzip members")


def inflate_zlib(body: bytes, limit: int) -> bytes:
    """What is packed as Content-Encoding deflate means it; raise `Problem` for anything else or for too much."""
    plain, rest = _member(body, zlib.MAX_WBITS, "deflate", limit)
    if rest:
        raise Problem(400, "bad_deflate", "body: must be one whole zlib stream")
    return plain


def _member(body: bytes, wbits: int, encoding: str, limit: int) -> tuple[bytes, bytes]:
    """What one stream holds, and what is behind it."""
    stream = zlib.decompressobj(wbits)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, f"bad_{encoding}", f"body: is not {encoding}") from error
    if len(plain) > limit:
        raise too_large(limit)
    if not stream.eof:
        raise Problem(400, f"bad_{encoding}", "body: was cut, or is not whole")
    return plain, stream.unused_data


INFLATE: Mapping[bytes, Inflate] = {b"gzip": inflate, b"x-gzip": inflate, b"deflate": inflate_zlib}
"""How a body of each Content-Encoding is unpacked; RFC 9110 8.4.1 has `x-gzip` mean gzip."""
