"""What every answer of the queries bears: when it was given, how long it took, an `ETag`, and as few bytes as can be.

Milliseconds and bytes. An answer of `COMPRESSED_BYTES` or more is compressed, one that is streamed is left as it is.
Whoever has the very answer already gets 304. A request that took long is logged by its path, without its query.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import blake2b
from typing import Any, TypeAlias

import cramjam
import structlog
from starlette.datastructures import Headers, MutableHeaders

from services.gateway.query.resources.system.performance import Timings
from shared.runtime.clock import monotonic_s, now_ms

COMPRESSED_BYTES = 1024
"""Bodies from this size on are compressed."""

APART_BYTES = 64 << 10
"""Bodies from this size on are compressed in a thread."""

SLOW_MS = {"warning": 3_000, "error": 5_000}
"""From when on a slow request is logged with more weight."""

VARY = "Authorization, Cookie, X-API-Key, Accept-Encoding"
"""What an answer depends on beside its address: whose it is, however the key is sent, and its coding."""

STREAM = "text/event-stream"
"""What an answer is that lasts as long as its reader likes."""

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Send], Awaitable[None]]

_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, level=3)),
    "br": lambda body: bytes(cramjam.brotli.compress(body, level=5)),
    "gzip": lambda body: bytes(cramjam.gzip.compress(body, level=6)),
}
"""What is offered, the best first."""

_ACCEPTED = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([\d.]+))?\s*")
_log = structlog.get_logger(__name__)


def coding_of(accepted: str) -> str:
    """The coding for a client with this `Accept-Encoding`; empty: none."""
    weights = {
        found[1].lower(): float(found[2] or 1)
        for part in accepted.split(",")
        if (found := _ACCEPTED.fullmatch(part)) and found[2] != "."
    }
    return next((name for name in _CODINGS if weights.get(name, weights.get("*", 0.0)) > 0), "")


@dataclass(slots=True)
class _Answer:
    """One answer on its way."""

    scope: Any
    send: Send
    slow_ms: int
    began_s: float
    start: Message | None = None
    status: int = 0
    lasts: bool = False
    """It is a stream of events, which says nothing of how long answers take."""

    async def take(self, message: Message) -> None:
        """Hold the head back until the body says what it is."""
        if message["type"] == "http.response.start":
            self.start, self.status = message, message["status"]
            return
        if self.start is None:
            await self.send(message)
            return
        start, self.start = self.start, None
        headers = MutableHeaders(raw=start["headers"])
        self._timed(headers)
        self.lasts = headers.get("content-type", "").startswith(STREAM)
        if message.get("more_body", False):
            await self.send(start)
            await self.send(message)
            return
        await self._whole(start, headers, message.get("body", b""))

    async def _whole(self, start: Message, headers: MutableHeaders, body: bytes) -> None:
        asked = Headers(scope=self.scope)
        coding = ""
        if len(body) >= COMPRESSED_BYTES and "content-encoding" not in headers:
            coding = coding_of(asked.get("accept-encoding", ""))
        if self.scope["method"] == "GET" and start["status"] == 200:
            headers["etag"] = etag = f'"{blake2b(body, digest_size=12).hexdigest()}{coding and "-" + coding}"'
            if etag in re.split(r"\s*,\s*", asked.get("if-none-match", "")):
                start["status"] = self.status = 304
                body, coding = b"", ""
        if coding:
            headers["content-encoding"] = coding
            compress = _CODINGS[coding]
            body = await asyncio.to_thread(compress, body) if len(body) >= APART_BYTES else compress(body)
        if self.status == 304:
            del headers["content-length"]
        else:
            headers["content-length"] = str(len(body))
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    def _timed(self, headers: MutableHeaders) -> None:
        took_ms = (monotonic_s() - self.began_s) * 1000
        spent = f"total;dur={took_ms:.1f}"
        headers["server-timing"] = ", ".join(filter(None, (headers.get("server-timing"), spent)))
        headers["x-response-time"] = f"{took_ms:.1f}ms"
        headers["x-process-time"] = f"{took_ms / 1000:.4f}"
        # A browser whose clock is wrong learns by it what the time is.
        headers.setdefault("date", formatdate(now_ms() / 1000, usegmt=True))
        headers.setdefault("cache-control", "private, no-cache")
        headers.add_vary_header(VARY)

    def end(self, timings: Timings) -> None:
        """Count it, and log it where it took long."""
        if self.lasts:
            return
        took_ms = (monotonic_s() - self.began_s) * 1000
        timings.add(getattr(self.scope.get("route"), "path", "(none)"), self.status, took_ms)
        if took_ms >= self.slow_ms:
            level = (
                "error"
                if took_ms >= SLOW_MS["error"]
                else "warning"
                if took_ms >= SLOW_MS["warning"]
                else "info"
            )
            getattr(_log, level)(
                "slow request",
                method=self.scope["method"],
                path=self.scope["path"],
                status=self.status,
                took_ms=round(took_ms),
            )


class Edge:
    """The application, with what all its answers bear."""

    def __init__(self, app: App, timings: Timings, slow_ms: int) -> None:
        self._app = app
        self._timings = timings
        self._slow_ms = slow_ms

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._slow_ms, monotonic_s())
        try:
            await self._app(scope, receive, answer.take)
        finally:
            answer.end(self._timings)
