"""Wires the gateway: which adapter fills which port, what starts first, and how it ends.

Seconds. The law: it starts in any order with its dependencies, and after SIGTERM it is gone within 15 s with every
answered point in the log.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.adapters import (
    http_alerts,
    http_batches,
    http_dashboard,
    http_funnels,
    http_health,
    http_intake,
    http_ledger,
    http_windows,
    intake_batches,
)
from services.gateway.adapters.batches import PointBatches, PointIntakeBatch
from services.gateway.adapters.decoders import events as events_json
from services.gateway.adapters.decoders import native
from services.gateway.adapters.decoders.analytics import Analytics
from services.gateway.adapters.event_batches import EventBatches, EventIntakeBatch
from services.gateway.adapters.http_body import Limits, Receive
from services.gateway.adapters.http_framework import framework
from services.gateway.adapters.http_intake import (
    ConcurrencyLimits,
    Decode,
    IntakeContext,
    IntakeRoute,
    Scope,
    Send,
)
from services.gateway.adapters.http_protocol import header_timeout_protocol
from services.gateway.adapters.intake_batches import DecodeEvents
from services.gateway.adapters.kafka import KafkaPublisher
from services.gateway.adapters.postgres import PostgresGrants, PostgresWindows
from services.gateway.adapters.postgres_alerts import PostgresAlerts
from services.gateway.adapters.postgres_batches import PostgresBatchCounts
from services.gateway.adapters.postgres_breakers import StoppedPartitions
from services.gateway.adapters.postgres_dashboard import PostgresCheckpoints, PostgresSummaries
from services.gateway.adapters.postgres_funnels import PostgresFunnels
from services.gateway.adapters.postgres_ledger import PostgresLedger
from services.gateway.adapters.producer import Batches
from services.gateway.adapters.redis import RedisLive
from services.gateway.adapters.redis_idempotency import RedisIdempotencyClaims
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.server import Server, tune_collector
from services.gateway.ports import IdempotencyClaims, IntakeBatch
from services.gateway.service import InFlight, Intake, IntakeCounters, Probe, Reader, SystemHealth
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.ledger import queries
from shared.model.bound import Bound
from shared.postgres import connections, planning, schema
from shared.postgres.connections import reachable
from shared.runtime import lifecycle, redis
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread
from shared.wire.topics import EVENTS, METRICS, TOPICS, Topic

POOL_SIZE = 4
"""Connections to Postgres: look-ups of keys, checkpoints and breakers."""

REPORTS_SIZE = 8
"""Connections for windows, funnels, alerts and dashboards: their own, so that no key waits for a report."""

GRACE_S = 11
"""How long requests under way may take after SIGTERM; above the produce deadline."""

FLUSH_S = 3.0
"""How long the publisher may take after them."""

_log = structlog.get_logger(__name__)

C = TypeVar("C", bound=IntakeBatch)


@dataclass(slots=True)
class Pipeline(Generic[C]):
    """Points, or events: what brings them to the log, and what counts them."""

    signal: str
    publisher: KafkaPublisher[C]
    intake: Intake[C]
    counters: IntakeCounters

    def counts(self) -> http_health.PipelineCounts:
        """What `/metrics` shows of it."""
        return http_health.PipelineCounts(
            self.signal, self.counters, self.publisher.flow, self.publisher.unacked_s
        )

    def bound(self) -> Bound:
        """What waits to be published."""
        return self.publisher.bound(self.signal)


@dataclass(slots=True)
class Gateway:
    """A wired gateway; also the ASGI application: what takes something in, and the framework for everything else."""

    settings: Settings
    pool: connections.Pool
    tables: connections.Pool
    cache: redis.Client
    pipelines: tuple[Pipeline[Any], ...]
    routes: dict[str, IntakeRoute[Any]]
    rest: FastAPI
    provider: MeterProvider
    stopped: StoppedPartitions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self.routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is not None:
            await route(scope, receive, send)
        else:
            await self.rest(scope, receive, send)  # type: ignore[arg-type]


async def build(settings: Settings) -> Gateway:
    """Wire everything; nothing is connected yet."""
    pool = await connections.pool(settings.postgres, POOL_SIZE)
    tables = await connections.pool(settings.postgres, REPORTS_SIZE, **planning.EACH_TIME)
    cache = redis.client(settings.redis)
    claims = RedisIdempotencyClaims(cache, settings.topic_prefix)
    points = _pipeline(
        "points", settings, METRICS, lambda count: PointBatches(count, monotonic_s()), claims=claims
    )
    events = _pipeline("events", settings, EVENTS, EventBatches, claims=claims)
    key_cache, in_flight = KeyCache(PostgresGrants(pool), spread=spread), InFlight()

    def refusal() -> str | None:
        return points.intake.refusal() or events.intake.refusal()

    rest = framework()
    live = RedisLive(cache, points.publisher.partitions, settings.topic_prefix)
    rest.include_router(http_windows.router(key_cache, Reader(PostgresWindows(tables), live)))
    probes: dict[str, Probe] = {"postgres": lambda: reachable(pool), "redis": lambda: answers(cache)}
    rest.include_router(http_health.router(refusal, key_cache, probes))
    for routes in reports(key_cache, tables, settings.topic_prefix):
        rest.include_router(routes)

    async def kafka() -> bool:
        return points.publisher.refusal() is None and events.publisher.refusal() is None

    system = SystemHealth(refusal, PostgresCheckpoints(pool), {"kafka": kafka, **probes})
    topics = {reader: settings.topic_prefix + topic.name for topic in TOPICS for reader in topic.readers}
    rest.include_router(http_dashboard.health_router(key_cache, system, topics))
    stopped = StoppedPartitions(pool, topics.values())
    context = IntakeContext(
        key_cache,
        _limits(settings),
        ConcurrencyLimits(settings.max_requests, settings.inflight_bytes),
        in_flight,
    )
    decoder = native.Decoder(settings.max_points, settings.max_series, key_cache.series_limiter)
    takers = _routes(context, decoder, events_json.Decoder(settings.max_events), points, events)
    remembered = (*key_cache.bounds, decoder.bound(), claims.bound())
    provider = _instruments((points, events), context, stopped.counts, remembered)
    return Gateway(settings, pool, tables, cache, (points, events), takers, rest, provider, stopped)


def _instruments(
    pipelines: tuple[Pipeline[Any], ...],
    context: IntakeContext,
    stopped: Mapping[str, int],
    remembered: tuple[Bound, ...],
) -> MeterProvider:
    bounds = (*remembered, *context.bounds(), *(pipeline.bound() for pipeline in pipelines))
    counts = [pipeline.counts() for pipeline in pipelines]
    return http_health.instruments(
        counts, context.in_flight, context.key_cache.series_limiter, stopped, bounds
    )


def _pipeline(
    signal: str,
    settings: Settings,
    topic: Topic,
    batches: Callable[[int], Batches[C]],
    *,
    claims: IdempotencyClaims,
) -> Pipeline[C]:
    publisher = KafkaPublisher(
        settings.kafka,
        settings.topic_prefix + topic.name,
        batches,
        deadline_ms=settings.produce_deadline_ms,
        stall_ms=settings.stall_ms,
    )
    counters = IntakeCounters()
    return Pipeline(signal, publisher, Intake(publisher, counters, claims), counters)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_body_bytes,
        settings.max_decoded_bytes,
        settings.body_idle_ms / 1000,
        settings.body_total_ms / 1000,
    )


def _routes(
    context: IntakeContext,
    point_decoder: native.Decoder,
    event_decoder: events_json.Decoder,
    points: Pipeline[PointIntakeBatch],
    events: Pipeline[EventIntakeBatch],
) -> dict[str, IntakeRoute[Any]]:
    """The routes that take something in, by their paths."""
    legacy = Analytics(point_decoder, event_decoder)

    def of_points(decode: Decode[PointIntakeBatch], *, beacon: bool) -> IntakeRoute[PointIntakeBatch]:
        return IntakeRoute(context, points.intake, decode, points.counters, beacon=beacon)

    def of_events(decode: DecodeEvents, *, beacon: bool) -> IntakeRoute[EventIntakeBatch]:
        return IntakeRoute(
            context, events.intake, intake_batches.of_events(decode), events.counters, beacon=beacon
        )

    return {
        http_intake.POINTS: of_points(
            intake_batches.of_points(point_decoder.decode, named=True), beacon=False
        ),
        http_intake.EVENTS: of_events(event_decoder.decode, beacon=False),
        http_intake.METRICS: of_points(intake_batches.of_points(legacy.metrics), beacon=True),
        http_intake.USER_EVENTS: of_events(legacy.legacy_events, beacon=True),
        http_intake.STEPS: of_events(legacy.steps, beacon=True),
    }


def reports(key_cache: KeyCache, tables: connections.Pool, prefix: str) -> list[APIRouter]:
    """The routes that answer from the tables alone."""
    alerts = PostgresAlerts(tables)
    topics = queries.topics(prefix)
    return [
        http_funnels.router(key_cache, PostgresFunnels(tables)),
        http_alerts.router(key_cache, alerts),
        http_batches.router(key_cache, PostgresBatchCounts(tables, topics["points"])),
        http_ledger.router(key_cache, PostgresLedger(tables, topics)),
        http_dashboard.router(key_cache, PostgresSummaries(tables), alerts),
    ]


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
    publishing = {
        lifecycle.background(pipeline.publisher.run(), f"publisher of {pipeline.signal}")
        for pipeline in gateway.pipelines
    }
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
    for pipeline in gateway.pipelines:
        pipeline.intake.draining = "this process is stopping"
    server.should_exit = True
    await serving
    for pipeline in gateway.pipelines:
        pipeline.publisher.stop()
    await asyncio.wait(publishing, timeout=FLUSH_S)
    watching.cancel()
    gateway.provider.shutdown()
    await gateway.cache.aclose()
    gateway.tables.terminate()
    gateway.pool.terminate()
    await checking
