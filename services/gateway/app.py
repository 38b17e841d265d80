"""Wires a gateway process: one of the two halves behind a server of its own, what starts first, and how it ends.

Seconds. It starts in any order with its dependencies. After SIGTERM an intake is gone within 15 s with every answered
point in the log, and a query process as soon as its last query is answered.
"""

import asyncio
from typing import Any, Protocol

import structlog
from fastapi import FastAPI

from services.gateway.auth.key_cache import KeyCache
from services.gateway.http import health, misdirected
from services.gateway.http.health import Probe
from services.gateway.http.server import Server, listen, tune_collector
from services.gateway.intake import app as intake
from services.gateway.intake.protocols.registry import PATHS as INTAKE_PATHS
from services.gateway.query import app as query
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.postgres import connections, schema
from shared.postgres.connections import reachable
from shared.runtime import lifecycle, redis

POOL_SIZE = 4
"""Connections to Postgres: look-ups of keys, checkpoints and breakers."""

GRACE_S = {"intake": 11, "query": 6}
"""How long requests under way may take after SIGTERM, by role; above the produce deadline, and above the limit of a
statement."""

_log = structlog.get_logger(__name__)


class Half(Protocol):
    """A wired half."""

    api: Any
    """ASGI application of its port."""
    key_cache: KeyCache
    probes: dict[str, Probe]
    """Whether each dependency answers."""

    def refusal(self) -> str | None:
        """Why the process cannot do its work now, None when it can."""

    def begin(self) -> None:
        """Work in the background."""

    def refuse(self, reason: str) -> None:
        """Take nothing new from now on."""

    async def finish(self) -> None:
        """Finish what was begun."""


async def build(settings: Settings, pool: connections.Pool, cache: redis.Client) -> Half:
    """Wire the half of the role; nothing is connected yet."""
    probes: dict[str, Probe] = {"postgres": lambda: reachable(pool), "redis": lambda: answers(cache)}
    if settings.role == "query":
        looked = await query.query(settings, pool, cache, probes)
        add_routes(looked.api, misdirected.routes(INTAKE_PATHS, ["POST"], "intake", settings.intake_url))
        return looked
    taken = intake.intake(settings, pool, cache, probes)
    add_routes(taken.rest, misdirected.routes(query.PATHS, ["GET"], "query", settings.query_url))
    return taken


def add_routes(rest: FastAPI, routes: list[Any]) -> None:
    """Answer these as well."""
    rest.router.routes.extend(routes)


async def answers(cache: redis.Client) -> bool:
    """Whether Redis answers within its limits."""
    try:
        with redis.guard():
            await cache.ping()
    except Unavailable:
        return False
    return True


def servers(settings: Settings, half: Half) -> list[Server]:
    """The server of the API and, where a port is set, the one of health and metrics, each at a socket that listens."""
    headers_s, grace_s = settings.headers_ms / 1000, GRACE_S[settings.role]
    made = [Server(half.api, listen("port", settings.host, settings.port), headers_s, grace_s)]
    if settings.metrics_port:
        listening = listen("metrics_port", settings.metrics_host, settings.metrics_port)
        shown = health.application(half.refusal, lambda: half.key_cache.ever_found, half.probes)
        made.append(Server(shown, listening, headers_s, grace_s=1))
    return made


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, then finish what was begun."""
    stopping = lifecycle.stop_event()
    pool = await connections.pool(settings.postgres, POOL_SIZE)
    cache = redis.client(settings.redis)
    half = await build(settings, pool, cache)
    listening = servers(settings, half)
    checking = schema.require_beside(pool, stopping)
    half.begin()
    serving = [lifecycle.background(server.run_until_exit(), "server") for server in listening]
    tune_collector()
    await asyncio.wait(
        {asyncio.ensure_future(stopping.wait()), *serving}, return_when=asyncio.FIRST_COMPLETED
    )
    _log.info("stopping", role=settings.role)
    half.refuse("this process is stopping")
    # The API first: until it has ended, /health/ready says that the process is stopping.
    for server, served in zip(listening, serving, strict=True):
        server.should_exit = True
        await served
    await half.finish()
    await cache.aclose()
    pool.terminate()
    await checking
