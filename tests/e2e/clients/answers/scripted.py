"""A server that answers whatever is posted in one way, and remembers what came.

One port for each way, so that a client meets one answer and nothing else. It serves pages too, whose origin it is.
"""

import asyncio
import base64
import gzip
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from tests.support.http.site import PAGE

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "*",
    "access-control-expose-headers": "Retry-After, X-Sentry-Rate-Limits",
}


class Reply(NamedTuple):
    """One way to answer."""

    status: int
    """0: the connection is closed instead."""
    retry_after: str = ""
    is_partial: bool = False
    """The answer says that something was refused by itself."""


class Post(NamedTuple):
    """What has come."""

    path: str
    body: bytes
    """Decompressed."""


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONFIG = {"analytics": {"endpoint": "/i/v0/e/"}, "flags": {}}
"""What posthog-js asks for, as the gateway answers it."""

REPORTS = (b'"client_report"', b'"kind":"discarded"')
"""What a client writes where it has lost something: Sentry's, and ours."""

PROTOBUF = "application/x-protobuf"
OTLP = frozenset({"/v1/logs", "/v1/metrics", "/v1/traces"})

PARTIAL = {
    PROTOBUF: b"\x0a\x08\x08\x01\x12\x04none",
    "otlp": orjson.dumps({"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "none"}}),
    "": orjson.dumps({"accepted": 0, "rejected": [{"index": 0, "code": "invalid_point", "message": "none"}]}),
}
"""What a partial success says, in protobuf, in the JSON of OTLP, and in ours."""


class Scripted:
    """The server; `urls` are its addresses by the name of the answer."""

    def __init__(
        self, replies: Mapping[str, Reply], files: Mapping[str, Path], folders: Mapping[str, Path]
    ) -> None:
        self._replies, self._files, self._folders = replies, files, folders
        self._runners: list[web.AppRunner] = []
        self._pages: dict[str, str] = {}
        self._origin = ""
        self.urls: dict[str, str] = {}
        self.posts: dict[str, list[Post]] = {name: [] for name in replies}

    def add(self, path: str, scripts: str) -> str:
        """A page, of another origin than all of the addresses; returns where it is."""
        self._pages[path] = PAGE.format(scripts=scripts)
        return self._origin + path

    def of(self, answer: str, marker: bytes, path: str = "") -> list[Post]:
        """Posts that got this answer and hold this text."""
        return [each for each in self.posts[answer] if marker in each.body and each.path.endswith(path)]

    def is_success(self, answer: str) -> bool:
        """Whether it is 2xx."""
        return 200 <= self._replies[answer].status < 300

    def reports(self, answer: str) -> list[Post]:
        """Posts in which a client says what it has lost."""
        return [each for each in self.posts[answer] if any(word in each.body for word in REPORTS)]

    async def __aenter__(self) -> Self:
        self._origin = await self._listen(self._page, self._folders)
        for name, reply in self._replies.items():
            self.urls[name] = await self._listen(partial(self._answer, name, reply), {})
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(each.cleanup() for each in self._runners))

    async def _listen(self, handler: Handler, folders: Mapping[str, Path]) -> str:
        app = web.Application(client_max_size=64 << 20)
        for prefix, folder in folders.items():
            app.router.add_static(prefix, folder)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.path in self._pages:
            return web.Response(text=self._pages[request.path], content_type="text/html")
        file = self._files.get(request.path)
        return web.Response(status=404) if file is None else web.FileResponse(file)

    async def _answer(self, name: str, reply: Reply, request: web.Request) -> web.StreamResponse:
        # Chromium sends a post again by itself where a connection breaks that was used before.
        first = {"connection": "close"} if not reply.status else {}
        if request.method == "OPTIONS":
            asked = request.headers.get("access-control-request-headers", "")
            return web.Response(status=204, headers=CORS | first | {"access-control-allow-headers": asked})
        if request.method != "POST" or request.path.startswith("/flags"):
            return web.json_response(CONFIG, headers=CORS | first)
        self.posts[name].append(Post(request.path, plain(await request.read())))
        if not reply.status and request.transport is not None:
            request.transport.abort()
        headers = CORS | {"content-type": request.content_type}
        if reply.retry_after:
            headers["retry-after"] = reply.retry_after
        return web.Response(status=reply.status or 502, body=_content(reply, request), headers=headers)


def _content(reply: Reply, request: web.Request) -> bytes:
    if reply.is_partial:
        return PARTIAL.get(request.content_type) or PARTIAL["otlp" if request.path in OTLP else ""]
    return b"" if request.content_type == PROTOBUF else b"{}"


def plain(body: bytes) -> bytes:
    """A body as its client wrote it, whatever its headers say."""
    if body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body)
    if body.startswith(b"data="):
        return base64.b64decode(parse_qs(body.decode())["data"][0])
    return body
