"""The reads of the source documents under `/api/v1/analytics`: dashboard, quick-stats, daily, weekly, insights.

Times are milliseconds UTC. Every answer says `status`, and `cached`: whether no table had to be read for it. The names
that end in `-optimized` are the same reports: there is no slower way to make them.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS
from services.gateway.query.questions.calendar import local, zone_of
from services.gateway.query.questions.http import refusals
from services.gateway.query.questions.ports import reading
from services.gateway.query.resources.summaries.reports import Reports
from services.gateway.query.resources.summaries.schemas import ReportBody
from shared.errors import Rejected
from shared.runtime.clock import now_ms

PREFIX = "/api/v1/analytics"

PATHS = (
    f"{PREFIX}/dashboard",
    f"{PREFIX}/quick-stats",
    f"{PREFIX}/summary/daily",
    f"{PREFIX}/summary/daily-optimized",
    f"{PREFIX}/summary/weekly",
    f"{PREFIX}/summary/weekly-optimized",
    f"{PREFIX}/insights",
    f"{PREFIX}/insights-optimized",
)
"""What is answered here."""

Made = Callable[[int, int], Awaitable[dict[str, Any]]]
"""A report of a tenant, now."""


def router(key_cache: KeyCache, reports: Reports) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()
    _plain(routes, key_cache, f"{PREFIX}/dashboard", reports.dashboard, "The last day")
    _plain(routes, key_cache, f"{PREFIX}/quick-stats", reports.quick_stats, "The last hour in a few figures")
    for name in ("insights", "insights-optimized"):
        _plain(routes, key_cache, f"{PREFIX}/{name}", reports.insights, "What stands out, with its numbers")
    for name in ("daily", "daily-optimized"):
        _dated(routes, key_cache, f"{PREFIX}/summary/{name}", reports.day, "A day of a zone")
    for name in ("weekly", "weekly-optimized"):
        _dated(routes, key_cache, f"{PREFIX}/summary/{name}", reports.week, "A week of a zone")
    return routes


def _plain(routes: APIRouter, key_cache: KeyCache, path: str, make: Made, summary: str) -> None:
    @routes.get(
        path, response_model=ReportBody, responses=REFUSALS, dependencies=[READS], summary=summary, name=path
    )
    async def answer(request: Request) -> Response:
        return await _report(key_cache, request, make)


def _dated(
    routes: APIRouter,
    key_cache: KeyCache,
    path: str,
    make: Callable[..., Awaitable[dict[str, Any]]],
    summary: str,
) -> None:
    @routes.get(
        path, response_model=ReportBody, responses=REFUSALS, dependencies=[READS], summary=summary, name=path
    )
    async def answer(request: Request, date: str = "", tz: str = "UTC") -> Response:
        async def made(tenant_id: int, now: int) -> dict[str, Any]:
            zone = zone_of(tz)
            return await make(tenant_id, _day(date) or local(now, zone).date(), zone, now)

        return await _report(key_cache, request, made)


async def _report(key_cache: KeyCache, request: Request, make: Made) -> Response:
    api_key = await reader_of(key_cache, request.scope)
    with refusals(""), reading() as read:
        found = await make(api_key.grant.tenant_id, now_ms())
    shown = {"status": "ok", "cached": not read.loads, "live": read.live} | found
    return Response(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def _day(text: str) -> date | None:
    """A date; raise `Rejected` for what is none."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Rejected("invalid_date", "date: must be a date such as 2026-11-29") from error
