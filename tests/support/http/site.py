"""A site as an application has it: pages with a script, and on its own origin a way to the gateway that may be shut.

All that is no page, file or folder of the site goes on to the gateway. Where that does not answer, the connection is
broken, as it would be without the site between.
"""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web

PAGE = """<!doctype html><title>Cart</title><link rel="icon" href="data:,">
<body style="font: 40px sans-serif"><h1>Cart</h1><p>A page with something to paint.</p>{scripts}"""

HOP_BY_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers that do not go on."""


class Arrival(NamedTuple):
    """A request that has come for the gateway."""

    status: int
    """What it was answered; 0: nothing."""
    body: bytes
    """Decompressed."""
    path: str = ""


class Site:
    """The pages of an application; what is posted to it goes on to the gateway."""

    def __init__(
        self, gateway: str, files: Mapping[str, Path], folders: Mapping[str, Path] | None = None
    ) -> None:
        self._gateway, self._files, self._folders = gateway, files, folders or {}
        self._pages: dict[str, str] = {}
        self.refusals = 0
        """So many posts are answered 503 from now on,"""
        self.refused_text = b""
        """of those that hold this text."""
        self.arrived: list[Arrival] = []
        """Each request that has come for the gateway."""
        self.url = ""

    def add(self, path: str, scripts: str) -> str:
        """A page with these scripts; returns its address."""
        self._pages[path] = PAGE.format(scripts=scripts)
        return self.url + path

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        for prefix, folder in self._folders.items():
            app.router.add_static(prefix, folder)
        app.router.add_post("/pay", self._pay)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, auto_decompress=False)
        await self._runner.setup()
        listening = web.TCPSite(self._runner, "127.0.0.1", 0)
        await listening.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pay(self, _: web.Request) -> web.Response:
        return web.Response(status=500)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            if request.path in self._pages:
                return web.Response(text=self._pages[request.path], content_type="text/html")
            if request.path in self._files:
                return web.FileResponse(self._files[request.path])
        body = await request.read()
        plain = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        if self.refusals and request.method == "POST" and self.refused_text in plain:
            self.refusals -= 1
            answer = web.Response(status=503, headers={"retry-after": "0"})
        else:
            answer = await self._relayed(request, body)
        self.arrived.append(Arrival(answer.status if request.transport else 0, plain, request.path))
        return answer

    async def _relayed(self, request: web.Request, body: bytes) -> web.Response:
        """What the gateway answers."""
        url = self._gateway + request.raw_path
        try:
            async with self._session.request(
                request.method, url, data=body, headers=_passed(request.headers), allow_redirects=False
            ) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), headers=_passed(answer.headers)
                )
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go on."""
    return {name: text for name, text in headers.items() if name.lower() not in HOP_BY_HOP}
