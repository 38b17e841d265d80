"""Wires the gateway: both halves behind one server, what starts first, and how it ends.

Seconds. It starts in any order with its dependencies, and after SIGTERM it is gone within 15 s with every answered
point in the log.
"""

import asyncio
from dataclasses import dataclass

import structlog
import uvicorn
from fastapi import FastAPI

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import PostgresGrants
from services.gateway.http import health as http_health
from services.gateway.http.body import Receive
from services.gateway.http.health import Probe
from services.gateway.http.openapi import framework
from services.gateway.http.protocol import header_timeout_protocol
from services.gateway.http.server import Server, tune_collector
from services.gateway.intake.adapters import openapi
from services.gateway.intake.adapters.http import Scope, Send
from services.gateway.intake.app import IntakeHalf, intake
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.query import app as query
from services.gateway.query.system.postgres import StoppedPartitions
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.postgres import connections, planning, schema
from shared.postgres.connections import reachable
from shared.runtime import lifecycle, redis
from shared.runtime.retry import spread
from shared.wire.topics import TOPICS

POOL_SIZE = 4
"""Connections to Postgres: look-ups of keys, checkpoints and breakers."""

REPORTS_SIZE = 8
"""Connections for windows, funnels, alerts and dashboards: their own, so that no key waits for a report."""

GRACE_S = 11
"""How long requests under way may take after SIGTERM; above the produce deadline."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Gateway:
    """A wired gateway; also the ASGI application: what takes something in, and the framework for everything else."""

    settings: Settings
    pool: connections.Pool
    tables: connections.Pool
    cache: redis.Client
    intake: IntakeHalf
    rest: FastAPI
    stopped: StoppedPartitions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self.intake.routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is not None:
            await route(scope, receive, send)
        else:
            await self.rest(scope, receive, send)  # type: ignore[arg-type]


async def build(settings: Settings) -> Gateway:
    """Wire everything; nothing is connected yet."""
    pool = await connections.pool(settings.postgres, POOL_SIZE)
    tables = await connections.pool(settings.postgres, REPORTS_SIZE, **planning.EACH_TIME)
    cache = redis.client(settings.redis)
    prefix, limits = settings.topic_prefix, TenantLimits()
    key_cache = KeyCache(PostgresGrants(pool), limits.granted, spread=spread)
    stopped = StoppedPartitions(pool, {prefix + topic.name for topic in TOPICS if topic.readers})
    half = intake(settings, key_cache, limits, cache, stopped.counts)
    probes: dict[str, Probe] = {"postgres": lambda: reachable(pool), "redis": lambda: answers(cache)}

    async def kafka() -> bool:
        return half.log_refusal() is None

    rest = framework()
    openapi.document(rest)
    rest.include_router(query.windows(key_cache, tables, cache, half.points.publisher.partitions, prefix))
    rest.include_router(http_health.router(half.refusal, lambda: key_cache.ever_found, probes))
    for routes in query.reports(key_cache, tables, prefix):
        rest.include_router(routes)
    rest.include_router(query.system(key_cache, pool, half.refusal, {"kafka": kafka, **probes}, prefix))
    return Gateway(settings, pool, tables, cache, half, rest, stopped)


async def answers(cache: redis.Client) -> bool:
    """Whether Redis answers within its limits."""
    try:
        with redis.guard():
            await cache.ping()
    except Unavailable:
        return False
    return True


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, then finish what was begun."""
    stopping = lifecycle.stop_event()
    gateway = await build(settings)
    checking = schema.require_beside(gateway.pool, stopping)
    publishing = gateway.intake.begin()
    config = uvicorn.Config(
        gateway, settings.host, settings.port, loop="none", lifespan="off",
        http=header_timeout_protocol(settings.headers_ms / 1000),
        log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_S, backlog=1024,
    )  # fmt: skip
    server = Server(config)
    watching = lifecycle.background(gateway.stopped.watch(), "stopped partitions")
    serving = lifecycle.background(server.serve(), "server")
    tune_collector()
    await asyncio.wait({asyncio.ensure_future(stopping.wait()), serving}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("stopping")
    gateway.intake.refuse("this process is stopping")
    server.should_exit = True
    await serving
    await gateway.intake.finish(publishing)
    watching.cancel()
    await gateway.cache.aclose()
    gateway.tables.terminate()
    gateway.pool.terminate()
    await checking
