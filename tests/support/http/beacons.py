"""A receiver on an origin of its own for what pages post: it keeps each request as it came, and answers from a script.

When the script is empty, it answers 202. Pages of every origin may read its answers.
"""

import asyncio
import gzip
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from shared.runtime.clock import monotonic_s

CORS = {"access-control-allow-origin": "*", "access-control-expose-headers": "Retry-After"}


@dataclass(frozen=True)
class Beacon:
    """One request."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    sent: bytes
    """As it came."""
    at_s: float

    @property
    def body(self) -> bytes:
        """As it was before compression."""
        return gzip.decompress(self.sent) if self.sent.startswith(b"\x1f\x8b") else self.sent

    @property
    def batch(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class BeaconReceiver:
    """What came in, and what is to be answered."""

    url: str = ""
    beacons: list[Beacon] = field(default_factory=list)
    script: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    """Status and headers of answers to come."""
    hold: asyncio.Event | None = None
    """Where there is one, answers wait for it."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """All items that came, each batch once."""
        batches = {each.batch["batch_id"]: each.batch for each in self.beacons if each.method == "POST"}
        return [item for batch in batches.values() for item in batch["items"]]

    def of(self, type_: str) -> list[Beacon]:
        """What came with an event of this type."""
        return [
            each for each in self.beacons if any(item.get("type") == type_ for item in each.batch["items"])
        ]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): text for name, text in request.headers.items()}
        sent = await request.read()
        self.beacons.append(Beacon(request.method, dict(request.query), headers, sent, monotonic_s()))
        status, more = self.script.popleft() if self.script else (202, {})
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(status=status, headers=CORS | more)
