"""Wires the intake: decoders, limits and pipelines behind the routes that take something in.

Nothing is connected before `run`. Seconds.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import PostgresGrants
from services.gateway.http.body import Limits
from services.gateway.http.connections import Connections
from services.gateway.http.health import Probe
from services.gateway.http.openapi import framework
from services.gateway.http.server import Front
from services.gateway.intake.adapters import metrics, openapi
from services.gateway.intake.adapters.event_types import EventTypes
from services.gateway.intake.adapters.http import FixedRoute, IntakeContext, IntakeRoute
from services.gateway.intake.adapters.installation import NOT_KNOWN, InstallationIds
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.adapters.redis import RedisGrowingBodies, RedisIdempotencyClaims
from services.gateway.intake.adapters.redis_limits import SharedQuota, SharedSeries
from services.gateway.intake.adapters.statsd_udp import StatsdSocket, statsd_socket
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Decoder
from services.gateway.intake.domain.in_flight import ConcurrencyLimits, InFlight
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.ports import IdempotencyClaims, IntakeBatch
from services.gateway.intake.protocols.registry import fixed_routes, protocol_routes
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from services.gateway.intake.publish.broker_clock import BrokerClock
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.point_batches import PointBatches, PointIntakeBatch
from services.gateway.intake.publish.producer import Batches
from services.gateway.intake.publish.publisher import KafkaPublisher
from services.gateway.intake.publish.refusal_reports import RefusalReports
from services.gateway.intake.service import Intake, IntakeCounters, Intakes
from services.gateway.intake.turns import Turns
from services.gateway.settings import Settings
from shared.errors import Misconfigured
from shared.model.bound import Bound
from shared.postgres import connections
from shared.runtime import lifecycle, redis
from shared.runtime.clock import monotonic_s
from shared.runtime.kafka import TopicCheck
from shared.runtime.retry import spread
from shared.stream.log.expected import ExpectedTopics
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
    clock: BrokerClock
    api: Front
    rest: FastAPI
    key_cache: KeyCache
    provider: MeterProvider
    probes: dict[str, Probe]
    pool: connections.Pool
    ids: InstallationIds
    sharing: tuple[SharedQuota, SharedSeries]
    sources: Sequence[StatsdSocket | RefusalReports] = ()
    shared: list[asyncio.Task[None]] = field(default_factory=list)
    publishing: set[asyncio.Task[None]] = field(default_factory=set)
    receiving: set[asyncio.Task[None]] = field(default_factory=set)

    def pipelines(self) -> tuple[Pipeline[Any], ...]:
        """Both of them."""
        return self.points, self.events

    def refusal(self) -> str | None:
        """Why nothing can be taken now, None when it can."""
        return self.points.intake.refusal() or self.events.intake.refusal()

    def refusals(self) -> dict[str, str | None]:
        """Why no load should be sent here, by what is at fault."""
        return {"kafka": self.refusal(), "clock": self.clock.unready()}

    def begin(self, checked: asyncio.Task[None], stopping: asyncio.Event) -> None:
        """Publish in the background; take points as soon as their series have ids."""
        self.points.intake.not_ready = NOT_KNOWN
        lifecycle.background(self._learn(checked, stopping), "secret of series ids")
        self.publishing = {
            lifecycle.background(each.publisher.run(), f"publisher of {each.signal}")
            for each in self.pipelines()
        }
        self.shared = [lifecycle.background(each.watch(), "limits of all gateways") for each in self.sharing]
        self.receiving = {lifecycle.background(each.run(), type(each).__name__) for each in self.sources}

    async def _learn(self, checked: asyncio.Task[None], stopping: asyncio.Event) -> None:
        await self.ids.learn(self.pool, checked, stopping)
        self.points.intake.not_ready = None

    def refuse(self, reason: str) -> None:
        """Take nothing from now on."""
        for pipeline in self.pipelines():
            pipeline.intake.draining = reason

    async def finish(self) -> None:
        """Bring what was taken to the log."""
        for source in self.sources:
            source.stop()
        if self.receiving:
            await asyncio.wait(self.receiving, timeout=FLUSH_S)
        for pipeline in self.pipelines():
            pipeline.publisher.stop()
        await asyncio.wait(self.publishing, timeout=FLUSH_S)
        for task in self.shared:
            task.cancel()
        self.provider.shutdown()


def intake(
    settings: Settings,
    pool: connections.Pool,
    cache: redis.Client,
    probes: dict[str, Probe],
    edge: Connections,
) -> IntakeHalf:
    """Wire it; `probes` say how Postgres and Redis are."""
    limits = TenantLimits()
    key_cache = KeyCache(PostgresGrants(pool), limits.granted, spread=spread)
    claims = RedisIdempotencyClaims(cache, settings.topic_prefix)
    clock = BrokerClock(settings.max_clock_offset_ms)
    points, events = _pipelines(settings, pool, clock, claims)
    growing = RedisGrowingBodies(cache, settings.topic_prefix)
    context = _context(settings, Intakes(points.intake, events.intake, limits, growing), key_cache, clock)
    ids = InstallationIds()
    admission = PointAdmission(settings.max_series, limits.series_limiter, ids)
    types = EventTypes(limits.series_limiter, ids)
    decode = partial(Decode, admission=admission, secret=ids.secret, event_types=types)
    counters = {each.signal: each.counters for each in (points, events)}
    routes = _routes(settings, context, decode, counters)
    statsd = _statsd(settings, context, admission)
    keys = (key_cache.bound, key_cache.bound_unknown, key_cache.limit.bound())
    of_tenants = (*limits.bounds(), context.refusals.of_tenants.bound())
    remembered = (*keys, *of_tenants, admission.bound(), claims.bound())
    provider = _instruments(
        (points, events), context, limits.series_limiter, clock, remembered, statsd=statsd, edge=edge
    )
    rest = framework(TITLE)
    openapi.document(rest)
    prefix = settings.topic_prefix
    sharing = SharedQuota(cache, limits, prefix), SharedSeries(cache, limits.series_limiter, prefix)
    reports = RefusalReports(context.refusals.of_tenants, context.intakes, admission, context.now_ms)
    sources = (reports,) if statsd is None else (statsd, reports)
    front = Front(routes, rest, context.refusals.strangers.note)
    return IntakeHalf(
        points, events, clock, front, rest, key_cache, provider, probes, pool, ids, sharing, sources
    )  # fmt: skip


def _context(
    settings: Settings,
    intakes: Intakes[PointIntakeBatch, EventIntakeBatch],
    key_cache: KeyCache,
    clock: BrokerClock,
) -> IntakeContext:
    concurrency = ConcurrencyLimits(settings.max_requests, settings.inflight_bytes)
    turns = Turns(settings.max_turn_wait_ms / 1000, settings.max_requests, monotonic_s)
    limits, items = _limits(settings), settings.max_items
    return IntakeContext(intakes, key_cache, limits, concurrency, InFlight(), turns, items, clock.now_ms)


def _pipelines(
    settings: Settings, pool: connections.Pool, clock: BrokerClock, claims: IdempotencyClaims
) -> tuple[Pipeline[PointIntakeBatch], Pipeline[EventIntakeBatch]]:
    """That of points and that of events."""
    check = ExpectedTopics(pool)
    points = _pipeline(
        "points", settings, METRICS, clock, lambda count: PointBatches(count, monotonic_s(), settings.write_version),
        claims=claims, check=check,
    )  # fmt: skip
    events = _pipeline(
        "events", settings, EVENTS, clock, lambda count: EventBatches(count, settings.write_version),
        claims=claims, check=check,
    )  # fmt: skip
    return points, events


def _instruments(
    pipelines: tuple[Pipeline[Any], ...],
    context: IntakeContext,
    series_limiter: SeriesLimiter,
    clock: BrokerClock,
    remembered: tuple[Bound, ...],
    *,
    statsd: StatsdSocket | None,
    edge: Connections,
) -> MeterProvider:
    bounds = [*remembered, *context.bounds(), *(pipeline.bound() for pipeline in pipelines)]
    datagrams = None if statsd is None else statsd.queue.counters
    if statsd is not None:
        bounds.append(statsd.queue.bound())
    counts = [pipeline.counts() for pipeline in pipelines]
    return metrics.instruments(
        counts, context.in_flight, series_limiter, clock, bounds,
        edge=edge, datagrams=datagrams, shares=context.turns.shares, strangers=context.refusals.strangers,
    )  # fmt: skip


def _statsd(settings: Settings, context: IntakeContext, admission: PointAdmission) -> StatsdSocket | None:
    """The socket of StatsD lines, where a port is set."""
    if not settings.statsd_port:
        return None
    if not settings.statsd_key:
        raise Misconfigured("statsd_key: must be given with statsd_port, for the lines bear no key")
    listening = statsd_socket(settings.host, settings.statsd_port)
    return StatsdSocket(context, Decode(StatsdLines(), admission), listening, settings.statsd_key)


def _pipeline(
    signal: str,
    settings: Settings,
    topic: Topic,
    clock: BrokerClock,
    batches: Callable[[int], Batches[C]],
    *,
    claims: IdempotencyClaims,
    check: TopicCheck,
) -> Pipeline[C]:
    publisher = KafkaPublisher(
        settings.kafka,
        settings.topic_prefix + topic.name,
        batches,
        clock,
        check,
        deadline_ms=settings.produce_deadline_ms,
        stall_ms=settings.stall_ms,
    )
    counters = IntakeCounters()
    return Pipeline(signal, publisher, Intake(publisher, counters, claims), counters)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_body_bytes, settings.max_decoded_bytes, settings.body_idle_ms / 1000,
        settings.body_total_ms / 1000, settings.max_objects, settings.max_inflation,
    )  # fmt: skip


def _routes(
    settings: Settings,
    context: IntakeContext,
    decode: Callable[[Decoder], Decode],
    counters: Mapping[str, IntakeCounters],
) -> dict[str, IntakeRoute | FixedRoute]:
    """The routes in front of the framework, by their paths."""
    fixed = {path: FixedRoute(one) for path, one in fixed_routes().items()}
    return fixed | {
        path: IntakeRoute(
            context, route._replace(path=path), decode(route.decoder), counters[route.signals[0]]
        )
        for path, route in protocol_routes(
            settings.max_points, settings.max_events, settings.resource_labels()
        ).items()
    }
