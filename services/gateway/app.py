"""Wires the gateway: which adapter fills which port, what starts first, and how it ends.

Seconds. The law: it starts in any order with its dependencies, and after SIGTERM it is gone within 15 s with every
answered point in the log.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.adapters import (
    chunks,
    http_alerts,
    http_batches,
    http_dashboard,
    http_funnels,
    http_health,
    http_intake,
    http_ledger,
    http_windows,
)
from services.gateway.adapters.batches import Chunk, PointBatches
from services.gateway.adapters.chunks import DecodeEvents
from services.gateway.adapters.decoders import events as events_json
from services.gateway.adapters.decoders import native
from services.gateway.adapters.decoders.analytics import Analytics
from services.gateway.adapters.event_batches import EventBatches, EventChunk
from services.gateway.adapters.http_body import Limits, Receive
from services.gateway.adapters.http_framework import framework
from services.gateway.adapters.http_intake import Budget, Decode, Doors, IntakeRoute, Scope, Send
from services.gateway.adapters.http_protocol import patient
from services.gateway.adapters.kafka import KafkaPublisher
from services.gateway.adapters.postgres import PostgresGrants, PostgresWindows
from services.gateway.adapters.postgres_alerts import PostgresAlerts
from services.gateway.adapters.postgres_batches import PostgresBatchCounts
from services.gateway.adapters.postgres_breakers import StoppedPartitions
from services.gateway.adapters.postgres_dashboard import PLANNING, PostgresCheckpoints, PostgresSummaries
from services.gateway.adapters.postgres_funnels import PostgresFunnels
from services.gateway.adapters.postgres_ledger import PostgresLedger
from services.gateway.adapters.producer import Batches
from services.gateway.adapters.redis import RedisLive
from services.gateway.adapters.redis_bindings import RedisBindings
from services.gateway.ports import Bindings, Cargo
from services.gateway.service import Intake, KeyRing, Load, Probe, Reader, Tally, Watch
from services.gateway.settings import Settings
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.runtime import lifecycle, postgres, redis
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread
from shared.wire.topics import EVENTS, METRICS, TOPICS, Topic

POOL_SIZE = 8
"""Connections to Postgres: look-ups of keys and queries."""

REPORTS_SIZE = 4
"""Connections for funnels, alerts and dashboards: their own, so that no key waits for a report."""

GRACE_S = 11
"""How long requests under way may take after SIGTERM; above the produce deadline."""

FLUSH_S = 3.0
"""How long the publisher may take after them."""

_log = structlog.get_logger(__name__)

C = TypeVar("C", bound=Cargo)


@dataclass(slots=True)
class Lane(Generic[C]):
    """Points, or events: what brings them to the log, and what counts them."""

    cargo: str
    publisher: KafkaPublisher[C]
    intake: Intake[C]
    tally: Tally

    def counts(self) -> http_health.Lane:
        """What `/metrics` shows of it."""
        return http_health.Lane(self.cargo, self.tally, self.publisher.flow, self.publisher.unacked_s)

    def bound(self) -> Bound:
        """What waits to be published."""
        return self.publisher.bound(self.cargo)


@dataclass(slots=True)
class Gateway:
    """A wired gateway; also the ASGI application: what takes something in, and the framework for everything else."""

    settings: Settings
    pool: postgres.Pool
    tables: postgres.Pool
    cache: redis.Client
    lanes: tuple[Lane[Any], ...]
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
    pool = await postgres.pool(settings.postgres, POOL_SIZE)
    tables = await postgres.pool(settings.postgres, REPORTS_SIZE, **PLANNING)
    cache = redis.client(settings.redis)
    bindings = RedisBindings(cache, settings.topic_prefix)
    points = _lane(
        "points", settings, METRICS, lambda count: PointBatches(count, monotonic_s()), bindings=bindings
    )
    events = _lane("events", settings, EVENTS, EventBatches, bindings=bindings)
    ring, load = KeyRing(PostgresGrants(pool), spread=spread), Load()

    def refusal() -> str | None:
        return points.intake.refusal() or events.intake.refusal()

    rest = framework()
    live = RedisLive(cache, points.publisher.partitions, settings.topic_prefix)
    rest.include_router(http_windows.router(ring, Reader(PostgresWindows(pool), live)))
    probes: dict[str, Probe] = {"postgres": lambda: postgres.reachable(pool), "redis": lambda: answers(cache)}
    rest.include_router(http_health.router(refusal, ring, probes))
    for routes in reports(ring, tables, settings.topic_prefix):
        rest.include_router(routes)

    async def kafka() -> bool:
        return points.publisher.refusal() is None and events.publisher.refusal() is None

    watch = Watch(refusal, PostgresCheckpoints(pool), {"kafka": kafka, **probes})
    topics = {reader: settings.topic_prefix + topic.name for topic in TOPICS for reader in topic.readers}
    rest.include_router(http_dashboard.health_router(ring, watch, topics))
    stopped = StoppedPartitions(pool, topics.values())
    doors = Doors(ring, _limits(settings), Budget(settings.max_requests, settings.inflight_bytes), load)
    decoder = native.Decoder(settings.max_points, settings.max_series, ring.rosters)
    takers = _routes(doors, decoder, events_json.Decoder(settings.max_events), points, events)
    remembered = (*ring.bounds, decoder.bound(), bindings.bound())
    provider = _instruments((points, events), doors, stopped.counts, remembered)
    return Gateway(settings, pool, tables, cache, (points, events), takers, rest, provider, stopped)


def _instruments(
    lanes: tuple[Lane[Any], ...], doors: Doors, stopped: Mapping[str, int], remembered: tuple[Bound, ...]
) -> MeterProvider:
    bounds = (*remembered, *doors.bounds(), *(lane.bound() for lane in lanes))
    counts = [lane.counts() for lane in lanes]
    return http_health.instruments(counts, doors.load, doors.ring.rosters, stopped, bounds)


def _lane(
    cargo: str, settings: Settings, topic: Topic, batches: Callable[[int], Batches[C]], *, bindings: Bindings
) -> Lane[C]:
    publisher = KafkaPublisher(
        settings.kafka,
        settings.topic_prefix + topic.name,
        batches,
        deadline_ms=settings.produce_deadline_ms,
        stall_ms=settings.stall_ms,
    )
    tally = Tally()
    return Lane(cargo, publisher, Intake(publisher, tally, bindings), tally)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_body_bytes,
        settings.max_decoded_bytes,
        settings.body_idle_ms / 1000,
        settings.body_total_ms / 1000,
    )


def _routes(
    doors: Doors,
    numbers: native.Decoder,
    happenings: events_json.Decoder,
    points: Lane[Chunk],
    events: Lane[EventChunk],
) -> dict[str, IntakeRoute[Any]]:
    """The routes that take something in, by their paths."""
    older = Analytics(numbers, happenings)

    def of_points(decode: Decode[Chunk], *, beacon: bool) -> IntakeRoute[Chunk]:
        return IntakeRoute(doors, points.intake, decode, points.tally, beacon=beacon)

    def of_events(decode: DecodeEvents, *, beacon: bool) -> IntakeRoute[EventChunk]:
        return IntakeRoute(doors, events.intake, chunks.happenings(decode), events.tally, beacon=beacon)

    return {
        http_intake.POINTS: of_points(chunks.points(numbers.decode, named=True), beacon=False),
        http_intake.EVENTS: of_events(happenings.decode, beacon=False),
        http_intake.METRICS: of_points(chunks.points(older.metrics), beacon=True),
        http_intake.USER_EVENTS: of_events(older.happened, beacon=True),
        http_intake.STEPS: of_events(older.steps, beacon=True),
    }


def reports(ring: KeyRing, tables: postgres.Pool, prefix: str) -> list[APIRouter]:
    """The routes that answer from the tables alone."""
    alerts = PostgresAlerts(tables)
    topics = {"points": prefix + METRICS.name, "events": prefix + EVENTS.name}
    return [
        http_funnels.router(ring, PostgresFunnels(tables)),
        http_alerts.router(ring, alerts),
        http_batches.router(ring, PostgresBatchCounts(tables, topics["points"])),
        http_ledger.router(ring, PostgresLedger(tables, topics)),
        http_dashboard.router(ring, PostgresSummaries(tables), alerts),
    ]


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
    publishing = {
        lifecycle.background(lane.publisher.run(), f"publisher of {lane.cargo}") for lane in gateway.lanes
    }
    config = uvicorn.Config(
        gateway, settings.host, settings.port, loop="none", http=patient(settings.headers_ms / 1000), lifespan="off",
        log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_S, backlog=1024,
    )  # fmt: skip
    server = Server(config)
    watching = lifecycle.background(gateway.stopped.watch(), "stopped partitions")
    serving = lifecycle.background(server.serve(), "server")
    _tune_collector()
    await asyncio.wait({asyncio.ensure_future(stopping.wait()), serving}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("stopping")
    for lane in gateway.lanes:
        lane.intake.draining = "this process is stopping"
    server.should_exit = True
    await serving
    for lane in gateway.lanes:
        lane.publisher.stop()
    await asyncio.wait(publishing, timeout=FLUSH_S)
    watching.cancel()
    gateway.provider.shutdown()
    await gateway.cache.aclose()
    gateway.tables.terminate()
    gateway.pool.terminate()


def _tune_collector() -> None:
    """Points are freed by counting alone, so the cycle collector may rest; what lives for ever it need not visit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
