"""The HTTP servers as the gateway runs them, and how the process beneath them keeps memory.

Seconds and bytes. The process decides when a server ends, not the server.
"""

import ctypes
import gc
import logging
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import uvicorn

from services.gateway.http.protocol import LimitedProtocol
from shared.errors import Misconfigured

BACKLOG = 4096
"""Connections that may wait to be accepted."""

ACCEPTED_A_TURN = 32
"""Connections that are accepted in one turn of the event loop."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc, as its `malloc.h` has them."""

KEPT_BYTES = 64 << 20
"""Free memory at the end of the heap up to which nothing is given back to the kernel."""

GROWTH_BYTES = 1 << 20
"""By how much more than is needed the heap grows."""

LARGE_BYTES = 4 << 20
"""From this size on a buffer is given back at once: bodies as large are rare."""


Note = Callable[[int, list[tuple[bytes, bytes]]], None]
"""Told of an answer: its status, and the headers of its request."""


class Front:
    """An ASGI application: some paths have routes of their own, the framework answers everything else.

    A path may hold `{names}`, each for one segment. `note` is told of the answers of the framework.
    """

    def __init__(self, routes: Mapping[str, Any], rest: Any, note: Note | None = None) -> None:
        self._routes = {path: route for path, route in routes.items() if "{" not in path}
        self._patterns = [(pattern_of(path), route) for path, route in routes.items() if "{" in path]
        self._rest = rest if note is None else _noted(rest, note)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        route = self._rest if scope["type"] != "http" else self._routes.get(scope["path"])
        await (route or self._named(scope["path"]))(scope, receive, send)

    def _named(self, path: str) -> Any:
        """The route whose pattern the path fits, else the framework."""
        return next((route for pattern, route in self._patterns if pattern.fullmatch(path)), self._rest)


def _noted(app: Any, note: Note) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                note(message["status"], scope["headers"])
            await send(message)

        await app(scope, receive, noting)

    return answer


def pattern_of(path: str) -> re.Pattern[str]:
    """What a path with names matches."""
    return re.compile(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(path)))


class Server(uvicorn.Server):
    """uvicorn at a socket of ours, without its signal handlers."""

    def __init__(
        self,
        api: Any,
        listening: socket.socket,
        protocol: type[LimitedProtocol],
        grace_s: int,
        keep_alive_s: float,
    ) -> None:
        super().__init__(uvicorn.Config(
            api, loop="none", lifespan="off", http=protocol,
            log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
            ws="none", timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]  # seconds, and broken ones are as good
            timeout_graceful_shutdown=grace_s, backlog=BACKLOG,
        ))  # fmt: skip
        self._listening = listening
        # It warns of each request that is no HTTP, which anybody may send without end; they are counted instead.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    def capture_signals(self) -> Any:
        """Capture none."""
        return nullcontext()

    async def run_until_exit(self) -> None:
        """Serve until `should_exit`."""
        # uvloop accepts one connection a turn for each socket that listens (findings/uvloop-accepts-one-a-turn.sh), and
        # turns of a busy process take milliseconds: ten thousand that come back at once would wait for minutes.
        more = [self._listening.dup() for _ in range(ACCEPTED_A_TURN - 1)]
        await self.serve([self._listening, *more])


def listen(setting: str, host: str, port: int) -> socket.socket:
    """A socket that listens there; raise `Misconfigured` that names the setting when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        raise Misconfigured(f"{setting} {port}: {problem}") from problem


def tune_collector() -> None:
    """Points are freed by counting alone, so the cycle collector may rest; what lives for ever it need not visit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def tune_allocator() -> bool:
    """Keep what is freed for the next buffer; whether the C library can.

    glibc gives larger buffers back at once, and each page of the next one is a fault: ten buffers of 160 kB are 280.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    said = {M_TRIM_THRESHOLD: KEPT_BYTES, M_TOP_PAD: GROWTH_BYTES, M_MMAP_THRESHOLD: LARGE_BYTES}
    return all(mallopt(parameter, size) for parameter, size in said.items())
