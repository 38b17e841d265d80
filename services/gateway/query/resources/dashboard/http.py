"""`GET /api/analytics/dashboard/performance` and `GET /api/analytics/system/health`: metrics and the system in brief.

Times are milliseconds UTC, spans seconds. A dashboard is made of questions, and says how far it is complete. The
health of the system is answered even when its servers are down.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS, answer, asking
from services.gateway.query.ports import Alerts
from services.gateway.query.questions.ports import reading
from services.gateway.query.resources.alerts.alert import Alert
from services.gateway.query.resources.dashboard import dashboard
from services.gateway.query.resources.dashboard.dashboard import Dashboard
from services.gateway.query.resources.dashboard.schemas import PerformanceBody, SystemHealthBody
from services.gateway.query.resources.system import health
from services.gateway.query.service import SystemHealth
from shared.runtime.clock import now_ms

DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": SystemHealthBody, "description": "It is down; the body says what"}
}
"""The answer of a system that is down."""

RETRY_S = 5
"""When to come again after a dashboard that could not be made: it may have been too much for now."""

FIRING_FIELDS = ("rule", "state", "fingerprint", "labels", "value", "fired_at_ms")
"""What a dashboard shows of an alert."""


def router(key_cache: KeyCache, metrics: Dashboard, alerts: Alerts) -> APIRouter:
    """The dashboard, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/api/analytics/dashboard/performance",
        response_model=PerformanceBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="Metrics of the last 15 minutes, and what fires",
    )
    async def performance(request: Request) -> Response:
        """At most 500 metrics by name, each as `POST /v1/query` answers it for the same range."""
        api_key = await reader_of(key_cache, request.scope)
        now = now_ms()
        tenant_id, of = api_key.grant.tenant_id, dashboard.range_of(now)
        with asking(RETRY_S), reading() as read:
            found = await metrics.summary(tenant_id, of, now)
            firing = await alerts.alerts(tenant_id, ("firing",), now, dashboard.MAX_FIRING)
        shown = {
            "status": "ok",
            "cached": not read.loads,
            "live": read.live,
            "from_ms": of.from_ms,
            "to_ms": of.to_ms,
            "complete_to_ms": found.complete_to_ms,
            "metrics": found.lines,
            "truncated": found.truncated,
            "alerts": [_firing(alert) for alert in firing],
        }
        return Response(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    return routes


def health_router(key_cache: KeyCache, system_health: SystemHealth, topics: Mapping[str, str]) -> APIRouter:
    """The health of the system, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/api/analytics/system/health",
        response_model=SystemHealthBody,
        responses=REFUSALS | DOWN,
        dependencies=[READS],
        summary="How the system is",
    )
    async def system(request: Request) -> Response:
        """200 when it is ok or degraded, 503 when it is down: what it needs, and each service by what it committed."""
        await reader_of(key_cache, request.scope)
        found = await system_health.check(topics, now_ms())
        return answer(_shown(found), 503 if found.status == health.DOWN else 200)

    return routes


def _firing(alert: Alert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in FIRING_FIELDS}


def _shown(found: health.HealthReport) -> dict[str, object]:
    services = {name: asdict(one) for name, one in found.services.items()}
    return {
        "status": found.status,
        "dependencies": found.dependencies,
        "services": {"gateway": {"status": found.gateway}, **services},
    }
