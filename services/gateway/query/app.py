"""Wires the queries: which adapter answers which route, with a pool of connections for reports.

Seconds. Nothing is connected before `begin`.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import PostgresGrants
from services.gateway.http.connections import Connections
from services.gateway.http.health import Probe
from services.gateway.http.openapi import framework
from services.gateway.query.cache import http as http_cache
from services.gateway.query.cache.wired import CacheParts, cached
from services.gateway.query.edge import Edge
from services.gateway.query.exports import wiring as exports
from services.gateway.query.feed import instruments as feed_instruments
from services.gateway.query.feed.feed import Feed
from services.gateway.query.feed.state import FeedState
from services.gateway.query.feed.windows_topic import WindowsTopic
from services.gateway.query.page import wiring as page
from services.gateway.query.page.live.hub import Hub
from services.gateway.query.prometheus import http as http_prometheus
from services.gateway.query.questions import http as http_questions
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.grouped import Source
from services.gateway.query.questions.ports import LiveWindows, Tables
from services.gateway.query.questions.source import WindowSource
from services.gateway.query.questions.tables.archive.wiring import archived_since, with_archive
from services.gateway.query.questions.tables.series import BLOCK_ROWS, MAX_ROWS, PostgresBlocks
from services.gateway.query.resources.alerts import wiring as alerts
from services.gateway.query.resources.alerts.postgres import PostgresAlerts
from services.gateway.query.resources.batches import http as http_batches
from services.gateway.query.resources.batches.postgres import PostgresBatchCounts
from services.gateway.query.resources.catalogue import http as http_catalogue
from services.gateway.query.resources.catalogue.postgres import PostgresCatalogue
from services.gateway.query.resources.cursors import SignedCursors
from services.gateway.query.resources.dashboard import http as http_dashboard
from services.gateway.query.resources.dashboard.dashboard import Dashboard
from services.gateway.query.resources.differences import http as http_differences
from services.gateway.query.resources.events import http as http_events
from services.gateway.query.resources.events.postgres import PostgresEvents
from services.gateway.query.resources.funnels import http as http_funnels
from services.gateway.query.resources.funnels.postgres import PostgresFunnels
from services.gateway.query.resources.ledger import http as http_ledger
from services.gateway.query.resources.ledger.postgres import PostgresLedger
from services.gateway.query.resources.summaries import http as http_summaries
from services.gateway.query.resources.summaries.reports import Reports
from services.gateway.query.resources.system import http as http_system
from services.gateway.query.resources.system import metrics
from services.gateway.query.resources.system.archive import ArchiveWatch
from services.gateway.query.resources.system.checkpoints import PostgresCheckpoints
from services.gateway.query.resources.system.kafka import PointTopic
from services.gateway.query.resources.system.performance import Timings
from services.gateway.query.resources.windows import http as http_windows
from services.gateway.query.resources.windows.live import EitherLive, LiveRows
from services.gateway.query.resources.windows.postgres import PostgresWindows
from services.gateway.query.resources.windows.redis import RedisLive
from services.gateway.query.service import Reader, SystemHealth
from services.gateway.settings import Settings
from shared.ledger import queries
from shared.model.bound import Bound
from shared.postgres import connections, planning
from shared.runtime import redis
from shared.runtime.lifecycle import background
from shared.runtime.retry import spread
from shared.wire.topics import METRICS, TOPICS, WINDOWS

TITLE = "Tidegauge: look here"

STATEMENT_S = 30
"""Longest statement of a report."""

REPORTS_SIZE = 8
"""Connections for windows, funnels, alerts and dashboards: their own, so that no key waits for a report."""

PATHS = (
    "/v1/query",
    "/v1/metrics",
    "/v1/metrics/{name}/labels",
    "/v1/labels/{label}/values",
    "/v1/windows",
    "/v1/events",
    "/v1/funnels",
    "/v1/funnels/{name}",
    *alerts.PATHS,
    "/v1/batches/{id:path}",
    "/v1/ledger",
    *http_prometheus.PATHS,
    *http_summaries.PATHS,
    *http_system.PATHS,
    "/v1/exports/{name}",
    *http_cache.PATHS,
    *page.PATHS,
    "/api/analytics/dashboard/performance",
    "/api/analytics/system/health",
)
"""What is answered here, each with GET."""

POSTED = (
    "/v1/query",
    "/v1/differences",
    "/v1/exports",
    *alerts.POSTED,
    *http_prometheus.POSTED,
    *page.POSTED,
)
"""What is answered here with POST."""

DELETED = (*alerts.DELETED, *http_cache.PATHS, *page.DELETED)
"""What is answered here with DELETE."""


@dataclass(slots=True)
class QueryHalf:
    """The wired queries."""

    api: FastAPI
    tables: connections.Pool
    key_cache: KeyCache
    points: PointTopic
    windows: WindowsTopic
    kept: CacheParts
    archive: ArchiveWatch
    provider: MeterProvider
    probes: dict[str, Probe]
    exports: exports.Wired
    live: Hub
    stopping: str | None = None
    watching: list[asyncio.Task[None]] = field(default_factory=list)

    def refusals(self) -> dict[str, str | None]:
        """Why no question should come here now."""
        unasked = None if self.points.asked else "kafka has not been asked yet"
        return {"kafka": self.stopping or unasked, "feed": self.windows.refusal()}

    def begin(self, _checked: asyncio.Task[None], _stopping: asyncio.Event) -> None:
        """Watch in the background."""
        self.watching.append(background(self.points.watch(), "topic of points"))
        self.watching.append(background(self.windows.follow(), "topic of windows"))
        self.watching.append(background(self.kept.warming.run(), "warming of the cache"))
        self.watching.append(background(self.archive.run(), "watch of the archive"))
        self.watching.append(background(self.live.watch(), "alert transitions"))

    def refuse(self, reason: str) -> None:
        """Not ready from now on."""
        self.stopping = reason
        self.live.stop()

    async def finish(self) -> None:
        """Let go of what only this half has."""
        for task in self.watching:
            task.cancel()
        await asyncio.wait(self.watching)
        self.provider.shutdown()
        self.exports.close()
        self.tables.terminate()


async def reports_pool(dsn: str, slow_ms: int | None = None) -> connections.Pool:
    """Connections whose questions are planned for their arguments each time, and may take long."""
    settings = {**planning.EACH_TIME, "statement_timeout": f"{STATEMENT_S}s"}
    return await connections.pool(dsn, REPORTS_SIZE, settings, writes=False, slow_ms=slow_ms)


def pool_figures(tables: connections.Pool) -> Mapping[str, int]:
    """How many connections there are, and how many of them wait for a question."""
    size, idle = tables.get_size(), tables.get_idle_size()
    return {"size": size, "idle": idle, "in_use": size - idle, "limit": tables.get_max_size()}


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the routes are made of."""

    key_cache: KeyCache
    pool: connections.Pool
    """For checkpoints: no report waits in it."""
    tables: connections.Pool
    points: PointTopic
    probes: Mapping[str, Probe]
    timings: Timings
    live: LiveWindows
    source: Source
    catalogue: PostgresCatalogue
    answering: Answering
    archive: ArchiveWatch
    prefix: str


async def query(
    settings: Settings,
    pool: connections.Pool,
    cache: redis.Client,
    probes: dict[str, Probe],
    *,
    stopped: Mapping[str, int],
    edge: Connections,
) -> QueryHalf:
    """Wire it; `probes` say how Postgres and Redis are, `stopped` counts the stopped partitions of each topic."""
    prefix = settings.topic_prefix
    tables = await reports_pool(settings.postgres, settings.slow_query_ms)
    key_cache = KeyCache(PostgresGrants(pool), spread=spread, sessions=page.sessions(pool))
    points = PointTopic(settings.kafka, prefix + METRICS.name)
    feed = Feed(FeedState(settings.feed_bytes))
    windows = WindowsTopic(settings.kafka, prefix + WINDOWS.name, feed)
    probes = {"kafka": points.answers, **probes}
    api, timings = framework(TITLE), Timings()
    api.add_middleware(Edge, timings=timings, slow_ms=settings.slow_request_ms)
    live = EitherLive(feed, RedisLive(cache, points.partitions, prefix))
    rows, blocks = (_rows(settings, tables, most) for most in (MAX_ROWS, BLOCK_ROWS))
    kept = cached(blocks, feed, cache, settings.cache_bytes, prefix)
    source, catalogue, answering = _answering(settings, tables, kept, rows, live)
    parts = _Parts(
        key_cache, pool, tables, points, probes, timings, live, source, catalogue, answering, ArchiveWatch(pool), prefix
    )  # fmt: skip
    hub = page.live_hub(tables, feed)
    exported = await exports.wired(settings, key_cache, cache, answering)
    of_page = page.routers(key_cache, pool, cache, answering, hub, views=settings.views)
    others = (http_cache.router(key_cache, kept), *of_page)
    for routes in (*_windows(parts), *_reports(parts), *_questions(parts), *_system(parts, hub), *others):
        api.include_router(routes)
    api.include_router(exported.router)
    bounds = [*_bounds(key_cache), *feed.state.bounds(), *kept.bounds(), *hub.bounds()]
    provider = metrics.instruments(
        stopped, lambda: pool_figures(tables), bounds, edge,
        [partial(feed_instruments.show, topic=windows), kept.show, parts.archive.show, hub.show],
    )  # fmt: skip
    return QueryHalf(
        api, tables, key_cache, points, windows, kept, parts.archive, provider, probes, exported, hub
    )


def _answering(
    settings: Settings, tables: connections.Pool, kept: CacheParts, rows: Tables, live: EitherLive
) -> tuple[WindowSource, PostgresCatalogue, Answering]:
    """What answers questions, and what it asks."""
    source, catalogue = WindowSource(kept.blocks, rows, live), PostgresCatalogue(tables)
    archived = archived_since(settings.archive, tables)
    return source, catalogue, Answering(source, catalogue, live, archived, known=kept.answers)


def _bounds(key_cache: KeyCache) -> tuple[Bound, ...]:
    """What may be remembered of keys."""
    return key_cache.bound, key_cache.bound_unknown, key_cache.limit.bound()


def _rows(settings: Settings, tables: connections.Pool, most: int) -> Tables:
    """Closed rows of the tables, and of the archive where there is one; more than `most` are refused."""
    rows = PostgresBlocks(tables, settings.topic_prefix + METRICS.name, most)
    return with_archive(settings.archive, rows, tables, most)


def _windows(parts: _Parts) -> Iterator[APIRouter]:
    """The routes of single series."""
    reader = Reader(PostgresWindows(parts.tables), LiveRows(parts.live))
    yield http_windows.router(parts.key_cache, reader, SignedCursors(parts.tables, "windows").cursors)


def _questions(parts: _Parts) -> Iterator[APIRouter]:
    """The routes that answer from rows in groups."""
    key_cache, answering, tables = parts.key_cache, parts.answering, parts.tables
    yield http_questions.router(key_cache, answering)
    yield http_catalogue.router(key_cache, parts.catalogue)
    yield http_differences.router(key_cache, answering)
    yield http_summaries.router(
        key_cache, Reports(answering, PostgresFunnels(tables), PostgresAlerts(tables))
    )
    yield http_prometheus.router(key_cache, parts.source, parts.catalogue, PostgresAlerts(tables))


def _system(parts: _Parts, hub: Hub) -> Iterator[APIRouter]:
    """The routes that say how this process and the whole system are."""
    shown: dict[str, http_system.Figures] = {
        "pool": lambda: pool_figures(parts.tables), "live_streams": hub.figures
    }  # fmt: skip
    yield http_system.router(parts.key_cache, parts.timings, shown, parts.probes, parts.archive.warnings)
    topics = {reader: parts.prefix + topic.name for topic in TOPICS for reader in topic.readers}
    system = SystemHealth(parts.points.is_written, PostgresCheckpoints(parts.pool), parts.probes)
    yield http_dashboard.health_router(parts.key_cache, system, topics)


def _reports(parts: _Parts) -> Iterator[APIRouter]:
    """The routes that answer from the tables alone."""
    key_cache, tables = parts.key_cache, parts.tables
    topics = queries.topics(parts.prefix)
    yield http_funnels.router(key_cache, PostgresFunnels(tables))
    yield http_events.router(key_cache, PostgresEvents(tables), SignedCursors(tables, "events").cursors)
    yield from alerts.routers(key_cache, parts.pool, tables)
    yield http_batches.router(key_cache, PostgresBatchCounts(tables, topics["points"]))
    yield http_ledger.router(key_cache, PostgresLedger(tables, topics))
    yield http_dashboard.router(
        key_cache, Dashboard(parts.answering, parts.catalogue), PostgresAlerts(tables)
    )
