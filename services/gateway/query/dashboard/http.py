"""`GET /api/analytics/dashboard/performance` and `GET /api/analytics/system/health`: metrics and the system in brief.

Times are milliseconds UTC, spans seconds. A dashboard shows closed windows alone and says how far they reach. The
health of the system is answered even when its servers are down.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.alerts.alert import Alert
from services.gateway.query.dashboard import dashboard
from services.gateway.query.ports import Alerts, Summaries
from services.gateway.query.questions.questions import REFUSALS, answer, asking
from services.gateway.query.schemas import PerformanceBody, SystemHealthBody
from services.gateway.query.service import SystemHealth
from services.gateway.query.system import health
from shared.runtime.clock import now_ms

DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": SystemHealthBody, "description": "It is down; the body says what"}
}
"""The answer of a system that is down."""

RETRY_S = 5
"""When to come again after a dashboard that could not be made: it may have been too much for now."""

FIRING_FIELDS = ("rule", "state", "fingerprint", "labels", "value", "fired_at_ms")
"""What a dashboard shows of an alert."""


def router(key_cache: KeyCache, summaries: Summaries, alerts: Alerts) -> APIRouter:
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
        """At most 500 metrics by name, each merged from the closed windows of all its series."""
        api_key = await reader_of(key_cache, request.scope)
        now = now_ms()
        tenant_id, span = api_key.grant.tenant_id, dashboard.span_of(now)
        with asking(RETRY_S):
            found = await summaries.summaries(tenant_id, span, dashboard.MAX_METRICS + 1)
            firing = await alerts.alerts(tenant_id, ("firing",), now, dashboard.MAX_FIRING)
        shown = found[: dashboard.MAX_METRICS]
        return answer({
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "complete_to_ms": dashboard.complete_to_ms(shown),
            "metrics": list(map(_metric, shown, dashboard.quantiles_of(shown))),
            "truncated": len(found) > dashboard.MAX_METRICS,
            "alerts": [_firing(alert) for alert in firing],
        })  # fmt: skip

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


def _metric(one: dashboard.Summary, quantiles: tuple[float | None, ...]) -> dict[str, object]:
    p50, p95, p99 = quantiles
    return {
        "metric": one.metric, "unit": one.unit, "kind": one.kind, "count": one.count, "samples": one.samples,
        "average": one.average,
        "p50": p50, "p95": p95, "p99": p99, "min": one.min, "max": one.max,
    }  # fmt: skip


def _firing(alert: Alert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in FIRING_FIELDS}


def _shown(found: health.HealthReport) -> dict[str, object]:
    services = {name: asdict(one) for name, one in found.services.items()}
    return {
        "status": found.status,
        "dependencies": found.dependencies,
        "services": {"gateway": {"status": found.gateway}, **services},
    }
