"""`GET /v1/events`: a tenant's events by type, session or user, newest first, in pages with a signed cursor.

Times in questions are milliseconds UTC, RFC 3339 with a zone, or now less a span.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS, answer, asking, integer_of, text_of
from services.gateway.query.questions.calendar import time_of
from services.gateway.query.resources.cursors import Cursors, kept_of, with_next
from services.gateway.query.resources.events.events import FIELDS, MAX_LIMIT, EventQuery, check, fields_of
from services.gateway.query.resources.events.postgres import PostgresEvents
from shared.runtime.clock import now_ms

HOUR_MS = 3_600_000


class EventsBody(BaseModel):
    """A page of events."""

    events: list[dict[str, object]] = Field(description="Newest first; each with the fields asked for")
    next: str | None = Field(description="Cursor of the page after this one; null: there is none")
    kept_since_ms: int = Field(description="Events before this are not in the table")
    warnings: list[str]


def router(
    key_cache: KeyCache, events: PostgresEvents, cursors: Callable[[], Awaitable[Cursors]]
) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/events", response_model=EventsBody, responses=REFUSALS, dependencies=[READS], summary="Events"
    )
    async def page(  # noqa: PLR0917 - one parameter for each of the query's
        request: Request,
        type: str = "",  # noqa: A002 - the name of the parameter
        session_id: str = "",
        user_id: str = "",
        from_: Annotated[str, Query(alias="from", description="Default: an hour before `to`")] = "",
        to: Annotated[str, Query(description="Default: now")] = "",
        limit: Annotated[str, Query(description=f"At most {MAX_LIMIT}")] = "100",
        fields: Annotated[str, Query(description=f"Some of {', '.join(FIELDS)}")] = "",
        cursor: str = "",
    ) -> Response:
        """At least one of type, session_id and user_id says which."""
        asked = (type, session_id, user_id, from_, to, limit)
        api_key, now = await reader_of(key_cache, request.scope), now_ms()
        with asking():
            query = _asked(api_key.grant.tenant_id, *asked, now)
            shown = fields_of(fields)
            # A range that follows the clock is another one each time.
            filters = query.filters if from_ else query.filters[:-1]
            signed = await cursors()
            place = signed.position(cursor, filters, now) if cursor else (query.to_ms, "")
            found = await events.page(query, (place[0], place[1]))
            kept_since_ms = await events.kept_since_ms()
        following = None
        if len(found) > query.limit:
            last = found[query.limit - 1]
            following = signed.after(filters, (last["ts_ms"], last["event_id"]), now)
        rows = [{name: row[name] for name in shown} for row in found[: query.limit]]
        body = {"events": rows, "next": following} | kept_of(query.from_ms, kept_since_ms)
        return with_next(answer(body), request, following)

    return routes


def _asked(  # noqa: PLR0917 - one parameter for each of the query's
    tenant_id: int, kind: str, session_id: str, user_id: str, begin: str, end: str, limit: str, now: int
) -> EventQuery:
    to_ms = time_of("to", end or now + 1, None, now)
    return check(
        EventQuery(
            tenant_id,
            text_of("type", kind),
            text_of("session_id", session_id),
            text_of("user_id", user_id),
            time_of("from", begin or max(0, to_ms - HOUR_MS), None, now),
            to_ms,
            integer_of("limit", limit),
        )
    )
