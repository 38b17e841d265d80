"""Wires the intake: decoders, limits and pipelines behind the routes that take something in.

Nothing is connected before `run`. Seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import PostgresGrants
from services.gateway.http.body import Limits
from services.gateway.http.health import Probe
from services.gateway.http.openapi import framework
from services.gateway.http.server import Front
from services.gateway.intake.adapters import intake_batches, metrics, openapi
from services.gateway.intake.adapters.http import ConcurrencyLimits, IntakeContext, IntakeRoute
from services.gateway.intake.adapters.redis import RedisIdempotencyClaims
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import IdempotencyClaims, IntakeBatch
from services.gateway.intake.protocols.registry import protocol_routes
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from services.gateway.intake.publish.producer import Batches
from services.gateway.intake.publish.publisher import KafkaPublisher
from services.gateway.intake.service import InFlight, Intake, IntakeCounters
from services.gateway.settings import Settings
from shared.model.bound import Bound
from shared.postgres import connections
from shared.runtime import lifecycle, redis
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread
from shared.wire.topics import EVENTS, METRICS, Topic

TITLE = "Tidegauge: post here"

FLUSH_S = 3.0
"""How long the publishers may take once no request is under way."""

C = TypeVar("C", bound=IntakeBatch)


@dataclass(slots=True)
class Pipeline(Generic[C]):
    """Points, or events: what brings them to the log, and what counts them."""

    signal: str
    publisher: KafkaPublisher[C]
    intake: Intake[C]
    counters: IntakeCounters

    def counts(self) -> metrics.PipelineCounts:
        """What `/metrics` shows of it."""
        return metrics.PipelineCounts(
            self.signal, self.counters, self.publisher.flow, self.publisher.unacked_s
        )

    def bound(self) -> Bound:
        """What waits to be published."""
        return self.publisher.bound(self.signal)


@dataclass(slots=True)
class IntakeHalf:
    """The wired intake."""

    points: Pipeline[PointIntakeBatch]
    events: Pipeline[EventIntakeBatch]
    api: Front
    rest: FastAPI
    key_cache: KeyCache
    provider: MeterProvider
    probes: dict[str, Probe]
    publishing: set[asyncio.Task[None]] = field(default_factory=set)

    def pipelines(self) -> tuple[Pipeline[Any], ...]:
        """Both of them."""
        return self.points, self.events

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.points.intake.refusal() or self.events.intake.refusal()

    def begin(self) -> None:
        """Publish in the background."""
        self.publishing = {
            lifecycle.background(each.publisher.run(), f"publisher of {each.signal}")
            for each in self.pipelines()
        }

    def refuse(self, reason: str) -> None:
        """Take nothing from now on."""
        for pipeline in self.pipelines():
            pipeline.intake.draining = reason

    async def finish(self) -> None:
        """Bring what was taken to the log."""
        for pipeline in self.pipelines():
            pipeline.publisher.stop()
        await asyncio.wait(self.publishing, timeout=FLUSH_S)
        self.provider.shutdown()


def intake(
    settings: Settings, pool: connections.Pool, cache: redis.Client, probes: dict[str, Probe]
) -> IntakeHalf:
    """Wire it; `probes` say how Postgres and Redis are."""
    limits = TenantLimits()
    key_cache = KeyCache(PostgresGrants(pool), limits.granted, spread=spread)
    claims = RedisIdempotencyClaims(cache, settings.topic_prefix)
    points = _pipeline(
        "points",
        settings,
        METRICS,
        lambda count: PointBatches(count, monotonic_s(), settings.write_version),
        limits=limits,
        claims=claims,
    )
    events = _pipeline(
        "events",
        settings,
        EVENTS,
        lambda count: EventBatches(count, settings.write_version),
        limits=limits,
        claims=claims,
    )
    concurrency = ConcurrencyLimits(settings.max_requests, settings.inflight_bytes)
    context = IntakeContext(key_cache, _limits(settings), concurrency, InFlight())
    admission = PointAdmission(settings.max_series, limits.series_limiter)
    routes = _routes(settings, context, admission, points, events)
    remembered = (key_cache.bound, *limits.bounds(), admission.bound(), claims.bound())
    provider = _instruments((points, events), context, limits.series_limiter, remembered)
    rest = framework(TITLE)
    openapi.document(rest)
    return IntakeHalf(points, events, Front(routes, rest), rest, key_cache, provider, probes)


def _instruments(
    pipelines: tuple[Pipeline[Any], ...],
    context: IntakeContext,
    series_limiter: SeriesLimiter,
    remembered: tuple[Bound, ...],
) -> MeterProvider:
    bounds = (*remembered, *context.bounds(), *(pipeline.bound() for pipeline in pipelines))
    counts = [pipeline.counts() for pipeline in pipelines]
    return metrics.instruments(counts, context.in_flight, series_limiter, bounds)


def _pipeline(
    signal: str,
    settings: Settings,
    topic: Topic,
    batches: Callable[[int], Batches[C]],
    *,
    limits: TenantLimits,
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
    return Pipeline(signal, publisher, Intake(publisher, counters, claims, limits), counters)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_body_bytes,
        settings.max_decoded_bytes,
        settings.body_idle_ms / 1000,
        settings.body_total_ms / 1000,
    )


def _routes(
    settings: Settings,
    context: IntakeContext,
    admission: PointAdmission,
    points: Pipeline[PointIntakeBatch],
    events: Pipeline[EventIntakeBatch],
) -> dict[str, IntakeRoute[Any]]:
    """The routes that take something in, by their paths."""
    routes: dict[str, IntakeRoute[Any]] = {}
    for path, (signal, decoder, beacon) in protocol_routes(settings.max_points, settings.max_events).items():
        if signal == "points":
            decode = intake_batches.of_points(decoder, admission)
            routes[path] = IntakeRoute(context, points.intake, decode, points.counters, beacon=beacon)
        else:
            decode_events = intake_batches.of_events(decoder)
            routes[path] = IntakeRoute(context, events.intake, decode_events, events.counters, beacon=beacon)
    return routes
