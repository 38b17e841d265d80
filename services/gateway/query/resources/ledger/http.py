"""`GET /v1/ledger`: what became of everything that a tenant sent.

Times are milliseconds UTC, RFC 3339 with a zone, or now less a span. A difference other than 0 is a fault of
Tidegauge, and is shown.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS, answer, asking
from services.gateway.query.ports import Ledgers
from services.gateway.query.questions.calendar import time_of
from services.gateway.query.resources.ledger.ledger_query import minutes_of, signal_of
from services.gateway.query.resources.ledger.schemas import LedgerBody
from shared.ledger.accounts import shown, total
from shared.runtime.clock import now_ms

DEFAULT_RANGE_MS = 3600 * 1000
"""Range of a question without `from`."""


def router(key_cache: KeyCache, ledgers: Ledgers) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/ledger",
        response_model=LedgerBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="What became of what was sent",
    )
    async def ledger(
        request: Request,
        signal: Annotated[str, Query(description="`points` or `events`")] = "points",
        from_: Annotated[str, Query(alias="from", description="Default: an hour before `to`")] = "",
        to: Annotated[str, Query(description="Default: now")] = "",
    ) -> Response:
        """By minute of append, at most 24 hours: what came in, what became of it, and the difference, which is 0."""
        api_key = await reader_of(key_cache, request.scope)
        now = now_ms()
        with asking():
            to_ms = time_of("to", to or now + 1, None, now)
            from_ms = time_of("from", from_ or max(0, to_ms - DEFAULT_RANGE_MS), None, now)
            span = minutes_of(from_ms, to_ms)
            asked = signal_of(signal)
            found = await ledgers.ledger(api_key.grant.tenant_id, asked, span)
        return answer({
            "signal": asked,
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "complete_until_ms": found.complete_until_ms,
            "minutes": [{"minute_ms": minute_ms} | shown(one) for minute_ms, one in found.minutes.items()],
            "total": shown(total(found.minutes.values())),
        })  # fmt: skip

    return routes
