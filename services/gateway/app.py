"""Wires the gateway: which adapter fills which port, what starts first, and how it ends.

Seconds. The law: it starts in any order with its dependencies, and after SIGTERM it is gone within 15 s with every
answered point in the log.
"""

import asyncio
import gc
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.adapters import http_alerts, http_dashboard, http_funnels, http_health, http_windows
from services.gateway.adapters.decoders.native import Decoder
from services.gateway.adapters.http_body import Limits, Receive
from services.gateway.adapters.http_framework import framework
from services.gateway.adapters.http_protocol import patient
from services.gateway.adapters.http_telemetry import PATH, Budget, Scope, Send, Telemetry
from services.gateway.adapters.kafka import KafkaPublisher
from services.gateway.adapters.postgres import PostgresGrants, PostgresWindows
from services.gateway.adapters.postgres_alerts import PostgresAlerts
from services.gateway.adapters.postgres_dashboard import PLANNING, PostgresCheckpoints, PostgresSummaries
from services.gateway.adapters.postgres_funnels import PostgresFunnels
from services.gateway.adapters.redis import RedisLive
from services.gateway.service import Intake, KeyRing, Probe, Reader, Tally, Watch
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.runtime import lifecycle, postgres, redis
from shared.wire.topics import METRICS, TOPICS

POOL_SIZE = 8
"""Connections to Postgres: look-ups of keys and queries."""

REPORTS_SIZE = 4
"""Connections for funnels, alerts and dashboards: their own, so that no key waits for a report."""

GRACE_S = 11
"""How long requests under way may take after SIGTERM; above the produce deadline."""

FLUSH_S = 3.0
"""How long the publisher may take after them."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Gateway:
    """A wired gateway; also the ASGI application: the hot route, and the framework for everything else."""

    settings: Settings
    pool: postgres.Pool
    tables: postgres.Pool
    cache: redis.Client
    publisher: KafkaPublisher
    intake: Intake
    telemetry: Telemetry
    rest: FastAPI
    provider: MeterProvider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self.telemetry(scope, receive, send)
        else:
            await self.rest(scope, receive, send)  # type: ignore[arg-type]


async def build(settings: Settings) -> Gateway:
    """Wire everything; nothing is connected yet."""
    pool = await postgres.pool(settings.postgres, POOL_SIZE)
    tables = await postgres.pool(settings.postgres, REPORTS_SIZE, **PLANNING)
    cache = redis.client(settings.redis)
    topic = settings.topic_prefix + METRICS.name
    publisher = KafkaPublisher(
        settings.kafka, topic, deadline_ms=settings.produce_deadline_ms, stall_ms=settings.stall_ms
    )
    tally = Tally()
    ring, intake = KeyRing(PostgresGrants(pool)), Intake(publisher, tally)
    limits = Limits(
        settings.max_body_bytes,
        settings.max_decoded_bytes,
        settings.body_idle_ms / 1000,
        settings.body_total_ms / 1000,
    )
    budget = Budget(settings.max_requests, settings.inflight_bytes)
    decoder = Decoder(settings.max_points, settings.max_series)
    telemetry = Telemetry(ring, intake, decoder, tally, limits=limits, budget=budget)
    rest = framework()
    rest.include_router(
        http_windows.router(
            ring, Reader(PostgresWindows(pool), RedisLive(cache, publisher.partitions, settings.topic_prefix))
        )
    )
    probes: dict[str, Probe] = {"postgres": lambda: postgres.reachable(pool), "redis": lambda: answers(cache)}
    rest.include_router(http_health.router(intake, ring, probes))
    for routes in reports(ring, tables):
        rest.include_router(routes)
    watch = Watch(intake, PostgresCheckpoints(pool), {"kafka": lambda: takes(publisher), **probes})
    topics = {reader: settings.topic_prefix + topic.name for topic in TOPICS for reader in topic.readers}
    rest.include_router(http_dashboard.health_router(ring, watch, topics))
    provider = http_health.instruments(tally, publisher)
    return Gateway(settings, pool, tables, cache, publisher, intake, telemetry, rest, provider)


def reports(ring: KeyRing, tables: postgres.Pool) -> list[APIRouter]:
    """The routes that answer from the tables alone."""
    alerts = PostgresAlerts(tables)
    return [
        http_funnels.router(ring, PostgresFunnels(tables)),
        http_alerts.router(ring, alerts),
        http_dashboard.router(ring, PostgresSummaries(tables), alerts),
    ]


async def takes(publisher: KafkaPublisher) -> bool:
    """Whether Kafka takes points."""
    return publisher.refusal() is None


async def answers(cache: redis.Client) -> bool:
    """Whether Redis answers within its limits."""
    try:
        with redis.guard():
            await cache.ping()
    except Unavailable:
        return False
    return True


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: `run` decides when it ends."""

    def capture_signals(self) -> Any:
        """Capture none."""
        return nullcontext()


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, then finish what was begun."""
    stopping = lifecycle.stop_event()
    gateway = await build(settings)
    publishing = lifecycle.background(gateway.publisher.run(), "publisher")
    config = uvicorn.Config(
        gateway, settings.host, settings.port, loop="none", http=patient(settings.headers_ms / 1000), lifespan="off",
        log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_S, backlog=1024,
    )  # fmt: skip
    server = Server(config)
    serving = lifecycle.background(server.serve(), "server")
    _tune_collector()
    await asyncio.wait({asyncio.ensure_future(stopping.wait()), serving}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("stopping")
    gateway.intake.draining = "this process is stopping"
    server.should_exit = True
    await serving
    gateway.publisher.stop()
    await asyncio.wait({publishing}, timeout=FLUSH_S)
    gateway.provider.shutdown()
    await gateway.cache.aclose()
    gateway.tables.terminate()
    gateway.pool.terminate()


def _tune_collector() -> None:
    """Points are freed by counting alone, so the cycle collector may rest; what lives for ever it need not visit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
