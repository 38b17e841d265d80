"""Wires a gateway process: one of the two halves behind a server of its own, what starts first, and how it ends.

Seconds. It starts in any order with its dependencies. After SIGTERM an intake is gone within 15 s with every answered
point in the log, and a query process as soon as its last query is answered.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import structlog
from fastapi import FastAPI

from services.gateway import page
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import KeyChanges, KeyUses
from services.gateway.http import health, misdirected
from services.gateway.http.connections import ConnectionLimits, Connections, within_files
from services.gateway.http.health import Probe
from services.gateway.http.protocol import HeadLimits, LimitedProtocol, limited_protocol
from services.gateway.http.proxied import Proxied, edge_of, proxies_of
from services.gateway.http.server import Server, listen, tune_allocator, tune_collector
from services.gateway.intake import app as intake
from services.gateway.intake.protocols.registry import FIXED_PATHS
from services.gateway.intake.protocols.registry import PATHS as INTAKE_PATHS
from services.gateway.query import app as query
from services.gateway.query.resources.system.postgres import StoppedPartitions
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.postgres import connections, schema
from shared.postgres.connections import reachable
from shared.runtime import lifecycle, redis
from shared.wire.topics import TOPICS

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

    def refusals(self) -> dict[str, str | None]:
        """Why the process cannot do its work now, by what is at fault; None where it can."""

    def begin(self, checked: asyncio.Task[None], stopping: asyncio.Event) -> None:
        """Work in the background; what needs tables waits for `checked`, the check of the schema."""

    def refuse(self, reason: str) -> None:
        """Take nothing new from now on."""

    async def finish(self) -> None:
        """Finish what was begun."""


async def build(
    settings: Settings,
    pool: connections.Pool,
    cache: redis.Client,
    stopped: Mapping[str, int],
    edge: Connections,
) -> Half:
    """Wire the half of the role; nothing is connected yet."""
    probes: dict[str, Probe] = {"postgres": lambda: reachable(pool), "redis": lambda: answers(cache)}
    if settings.role == "query":
        looked = await query.query(settings, pool, cache, probes, stopped=stopped, edge=edge)
        looked.api.add_middleware(page.Page, intake_url=settings.intake_url)
        add_routes(looked.api, misdirected.routes(INTAKE_PATHS, ["POST"], "intake", settings.intake_url))
        for path, methods in FIXED_PATHS.items():
            add_routes(looked.api, misdirected.routes([path], methods, "intake", settings.intake_url))
        return looked
    taken = intake.intake(settings, pool, cache, probes, edge)
    add_routes(taken.rest, misdirected.routes(query.PATHS, ["GET"], "query", settings.query_url))
    add_routes(taken.rest, misdirected.routes(query.POSTED, ["POST"], "query", settings.query_url))
    add_routes(taken.rest, misdirected.routes(page.PATHS, ["GET"], "query", settings.query_url))
    add_routes(taken.rest, misdirected.routes(query.DELETED, ["DELETE"], "query", settings.query_url))
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


def counting(settings: Settings) -> Connections:
    """What counts the connections of the API."""
    limits = ConnectionLimits(within_files(settings.max_connections), settings.max_connections_per_address)
    return edge_of(proxies_of(settings.trusted_proxies), limits)


def servers(settings: Settings, half: Half, stopped: Mapping[str, int], edge: Connections) -> list[Server]:
    """The server of the API and, where a port is set, the one of health and metrics, each at a socket that listens."""
    keep_alive_s = settings.keep_alive_ms / 1000
    proxies = proxies_of(settings.trusted_proxies)
    api = Proxied(half.api, proxies, edge) if proxies else half.api
    protocol = limited_protocol(head_limits(settings), edge)
    listening = listen("port", settings.host, settings.port)
    made = [Server(api, listening, protocol, GRACE_S[settings.role], keep_alive_s)]
    if settings.metrics_port:
        listening = listen("metrics_port", settings.metrics_host, settings.metrics_port)
        shown = health.application(half.refusals, lambda: half.key_cache.ever_found, half.probes, stopped)
        made.append(Server(shown, listening, LimitedProtocol, 1, keep_alive_s))
    return made


def head_limits(settings: Settings) -> HeadLimits:
    """What the head of a request may be."""
    return HeadLimits(
        settings.max_header_bytes,
        settings.max_headers,
        settings.max_target_bytes,
        settings.headers_ms / 1000,
        settings.unread_ms / 1000,
    )


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, then finish what was begun."""
    stopping = lifecycle.stop_event()
    tune_allocator()
    pool = await connections.pool(settings.postgres, POOL_SIZE, writes=False)
    cache = redis.client(settings.redis)
    stopped = StoppedPartitions(
        pool, (settings.topic_prefix + topic.name for topic in TOPICS if topic.readers)
    )
    edge = counting(settings)
    half = await build(settings, pool, cache, stopped.counts, edge)
    listening = servers(settings, half, stopped.counts, edge)
    watching = lifecycle.background(stopped.watch(), "stopped partitions")
    checking = schema.require_beside(pool, stopping)
    half.begin(checking, stopping)
    beside = [
        lifecycle.background(KeyChanges(settings.postgres, half.key_cache).watch(), "changes of keys"),
        lifecycle.background(KeyUses(pool, half.key_cache).watch(), "uses of keys"),
    ]
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
    for task in (watching, *beside):
        task.cancel()
    await cache.aclose()
    pool.terminate()
    await checking
