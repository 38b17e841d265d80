"""Wires the queries: which adapter answers which route.

Nothing is connected yet.
"""

from collections.abc import Callable, Mapping

from fastapi import APIRouter

from services.gateway.auth.key_cache import KeyCache
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
from services.gateway.query.ports import Probe
from services.gateway.query.service import Reader, SystemHealth
from services.gateway.query.windows import http as http_windows
from services.gateway.query.windows.postgres import PostgresWindows
from services.gateway.query.windows.redis import RedisLive
from shared.ledger import queries
from shared.postgres import connections
from shared.runtime import redis
from shared.wire.topics import TOPICS


def windows(
    key_cache: KeyCache,
    pool: connections.Pool,
    cache: redis.Client,
    partitions: Callable[[], int],
    prefix: str,
) -> APIRouter:
    """The route of windows; `partitions` is how many the topic of points has."""
    live = RedisLive(cache, partitions, prefix)
    return http_windows.router(key_cache, Reader(PostgresWindows(pool), live))


def system(
    key_cache: KeyCache,
    pool: connections.Pool,
    refusal: Callable[[], str | None],
    probes: Mapping[str, Probe],
    prefix: str,
) -> APIRouter:
    """The route of the health of the system."""
    topics = {reader: prefix + topic.name for topic in TOPICS for reader in topic.readers}
    health = SystemHealth(refusal, PostgresCheckpoints(pool), probes)
    return http_dashboard.health_router(key_cache, health, topics)


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
