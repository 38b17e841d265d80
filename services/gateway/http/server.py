"""The HTTP servers as the gateway runs them, and the collector of garbage beside them.

Seconds. The process decides when a server ends, not the server.
"""

import gc
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import uvicorn

from services.gateway.http.protocol import header_timeout_protocol
from shared.errors import Misconfigured

BACKLOG = 1024
"""Connections that may wait to be accepted."""

KEEP_ALIVE_S = 5
"""How long a connection may rest between two requests."""


class Front:
    """An ASGI application: some paths have routes of their own, the framework answers everything else."""

    def __init__(self, routes: Mapping[str, Any], rest: Any) -> None:
        self._routes = routes
        self._rest = rest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        route = self._routes.get(scope["path"], self._rest) if scope["type"] == "http" else self._rest
        await route(scope, receive, send)


class Server(uvicorn.Server):
    """uvicorn at a socket of ours, without its signal handlers."""

    def __init__(self, api: Any, listening: socket.socket, headers_s: float, grace_s: int) -> None:
        super().__init__(uvicorn.Config(
            api, loop="none", lifespan="off", http=header_timeout_protocol(headers_s),
            log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=grace_s, backlog=BACKLOG,
        ))  # fmt: skip
        self._listening = listening

    def capture_signals(self) -> Any:
        """Capture none."""
        return nullcontext()

    async def run_until_exit(self) -> None:
        """Serve until `should_exit`."""
        await self.serve([self._listening])


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
