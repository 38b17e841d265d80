"""Wires the queries: which adapter answers which route, with a pool of connections for reports.

Seconds. Nothing is connected before `begin`.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.metrics import MeterProvider

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import PostgresGrants
from services.gateway.http.connections import Connections
from services.gateway.http.health import Probe
from services.gateway.http.openapi import framework
from services.gateway.query.alerts import http as http_alerts
from services.gateway.query.alerts.postgres import PostgresAlerts
from services.gateway.query.batches import http as http_batches
from services.gateway.query.batches.postgres import PostgresBatchCounts
from services.gateway.query.dashboard import http as http_dashboard
from services.gateway.query.dashboard.postgres import PostgresCheckpoints, PostgresSummaries
from services.gateway.query.funnels import http as http_funnels
from services.gateway.query.funnels.postgres import PostgresFunnels
from services.gateway.query.ledger import http as http_ledger
from services.gateway.query.ledger.postgres import PostgresLedger
from services.gateway.query.service import Reader, SystemHealth
from services.gateway.query.system import metrics
from services.gateway.query.system.kafka import PointTopic
from services.gateway.query.windows import http as http_windows
from services.gateway.query.windows.postgres import PostgresWindows
from services.gateway.query.windows.redis import RedisLive
from services.gateway.settings import Settings
from shared.ledger import queries
from shared.postgres import connections, planning
from shared.runtime import redis
from shared.runtime.lifecycle import background
from shared.runtime.retry import spread
from shared.wire.topics import METRICS, TOPICS

TITLE = "Tidegauge: look here"

REPORTS_SIZE = 8
"""Connections for windows, funnels, alerts and dashboards: their own, so that no key waits for a report."""

PATHS = (
    "/v1/windows",
    "/v1/funnels",
    "/v1/funnels/{name}",
    "/v1/alerts",
    "/v1/alerts/{fingerprint}/history",
    "/v1/batches/{id:path}",
    "/v1/ledger",
    "/api/analytics/dashboard/performance",
    "/api/analytics/system/health",
)
"""What is answered here, each with GET."""


@dataclass(slots=True)
class QueryHalf:
    """The wired queries."""

    api: FastAPI
    tables: connections.Pool
    key_cache: KeyCache
    points: PointTopic
    provider: MeterProvider
    probes: dict[str, Probe]
    stopping: str | None = None
    watching: list[asyncio.Task[None]] = field(default_factory=list)

    def refusals(self) -> dict[str, str | None]:
        """Why no question should come here now."""
        return {"kafka": self.stopping or (None if self.points.asked else "kafka has not been asked yet")}

    def begin(self, _checked: asyncio.Task[None], _stopping: asyncio.Event) -> None:
        """Watch in the background."""
        self.watching.append(background(self.points.watch(), "topic of points"))

    def refuse(self, reason: str) -> None:
        """Not ready from now on."""
        self.stopping = reason

    async def finish(self) -> None:
        """Let go of what only this half has."""
        for task in self.watching:
            task.cancel()
        await asyncio.wait(self.watching)
        self.provider.shutdown()
        self.tables.terminate()


async def reports_pool(dsn: str) -> connections.Pool:
    """Connections whose questions are planned for their arguments each time."""
    return await connections.pool(dsn, REPORTS_SIZE, planning.EACH_TIME, writes=False)


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
    tables = await reports_pool(settings.postgres)
    key_cache = KeyCache(PostgresGrants(pool), spread=spread)
    points = PointTopic(settings.kafka, prefix + METRICS.name)
    probes = {"kafka": points.answers, **probes}
    api = framework(TITLE)
    reader = Reader(PostgresWindows(tables), RedisLive(cache, points.partitions, prefix))
    system = SystemHealth(points.is_written, PostgresCheckpoints(pool), probes)
    api.include_router(http_windows.router(key_cache, reader))
    for routes in _reports(key_cache, tables, prefix):
        api.include_router(routes)
    topics = {reader: prefix + topic.name for topic in TOPICS for reader in topic.readers}
    api.include_router(http_dashboard.health_router(key_cache, system, topics))
    provider = metrics.instruments(
        stopped, [key_cache.bound, key_cache.bound_unknown, key_cache.limit.bound()], edge
    )
    return QueryHalf(api, tables, key_cache, points, provider, probes)


def _reports(key_cache: KeyCache, tables: connections.Pool, prefix: str) -> Iterator[APIRouter]:
    """The routes that answer from the tables alone."""
    alerts = PostgresAlerts(tables)
    topics = queries.topics(prefix)
    yield http_funnels.router(key_cache, PostgresFunnels(tables))
    yield http_alerts.router(key_cache, alerts)
    yield http_batches.router(key_cache, PostgresBatchCounts(tables, topics["points"]))
    yield http_ledger.router(key_cache, PostgresLedger(tables, topics))
    yield http_dashboard.router(key_cache, PostgresSummaries(tables), alerts)
