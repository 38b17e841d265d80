"""`GET /v1/funnels` and `GET /v1/funnels/{name}`: how far sessions come.

Times in questions are milliseconds UTC, RFC 3339 with a zone, or now less a span. A session is counted at the
time it entered, so a report of a past range only grows by sessions that go on.
"""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking
from services.gateway.query.ports import Funnels
from services.gateway.query.questions.calendar import time_of
from services.gateway.query.resources.funnels.funnel import report
from services.gateway.query.resources.funnels.schemas import FunnelReportBody, FunnelsBody
from services.gateway.query.resources.windows.windows import check_range
from shared.errors import Rejected
from shared.model.funnel import FUNNELS, Funnel, funnel_of
from shared.runtime.clock import now_ms

DEFAULT_RANGE_MS = 24 * 3600 * 1000
"""Range of a question without `from`."""


def router(key_cache: KeyCache, funnels: Funnels) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/funnels",
        response_model=FunnelsBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="Names of the funnels",
    )
    async def names(request: Request) -> Response:
        """Every funnel with its steps."""
        await reader_of(key_cache, request.scope)
        return answer({"funnels": [{"funnel": one.name, "steps": one.steps} for one in FUNNELS.values()]})

    @routes.get(
        "/v1/funnels/{name}",
        response_model=FunnelReportBody,
        responses=REFUSALS | UNKNOWN,
        dependencies=[READS],
        summary="How far sessions come in a funnel",
    )
    async def one(
        request: Request,
        name: str,
        from_: Annotated[str, Query(alias="from", description="Default: 24 hours before `to`")] = "",
        to: Annotated[str, Query(description="Default: now")] = "",
    ) -> Response:
        """Of the sessions that entered in the range: how many reached each step, whenever that was."""
        api_key = await reader_of(key_cache, request.scope)
        funnel = _named(name)
        with asking():
            from_ms, to_ms = _range(from_, to, now_ms())
            reach = await funnels.reach(api_key.grant.tenant_id, funnel, from_ms, to_ms)
        span = {"funnel": funnel.name, "from_ms": from_ms, "to_ms": to_ms}
        return answer(span | asdict(report(funnel, reach)))

    return routes


def _named(name: str) -> Funnel:
    try:
        return funnel_of(name)
    except Rejected as error:
        raise Problem(404, error.code, f"funnel: must be one of {', '.join(FUNNELS)}") from error


def _range(from_: str, to: str, now: int) -> tuple[int, int]:
    to_ms = time_of("to", to or now + 1, None, now)
    from_ms = time_of("from", from_ or max(0, to_ms - DEFAULT_RANGE_MS), None, now)
    check_range(from_ms, to_ms)
    return from_ms, to_ms
