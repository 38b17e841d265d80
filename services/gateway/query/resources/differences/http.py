"""`POST /v1/differences`: which label values are more common in a part of a chart than in the rest of it.

Times are milliseconds UTC, RFC 3339, or now less a span; shares 0 to 1.
"""

import asyncio
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.calendar import time_of, zone_of
from services.gateway.query.questions.http import body_of, decoded, refusals
from services.gateway.query.questions.question import AskBody, QuestionBody, Refused, question
from services.gateway.query.questions.selection import Selection
from services.gateway.query.resources.differences.differences import Area, Difference, differences
from services.gateway.query.resources.differences.schemas import DifferencesBody
from shared.runtime.clock import now_ms

MOST = 50
"""Label values of an answer."""

_SCHEMA = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


class AreaBody(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from", "until": "to"}
):
    """A part of a chart."""

    since: str | int
    until: str | int
    low: float = -1e100
    high: float = 1e100


class DifferencesAsked(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"since": "from", "until": "to"}
):
    """What a client writes: a metric, a range, and the part of it that is looked at."""

    metric: str
    selection: AreaBody
    kind: str = ""
    unit: str | None = None
    where: Annotated[list[str], msgspec.Meta(max_length=20)] = []
    resolution: str = "auto"
    tz: str = "UTC"
    since: str | int = "now-1h"
    until: str | int = "now"


_DECODER = msgspec.json.Decoder(DifferencesAsked)


def router(key_cache: KeyCache, answering: Answering) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.post(
        "/v1/differences",
        response_model=DifferencesBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="What differs in a part of a chart",
        openapi_extra=_SCHEMA,
    )
    async def differ(request: Request) -> Response:
        """Label values by their share inside the selection less their share outside, with both weights."""
        api_key = await reader_of(key_cache, request.scope)
        asked = decoded(_DECODER, await body_of(request), "")
        with refusals(""):
            shown = await _answer(answering, asked, api_key.grant.tenant_id, now_ms())
        return Response(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    return routes


async def _answer(answering: Answering, asked: DifferencesAsked, tenant_id: int, now: int) -> dict[str, Any]:
    body = QuestionBody(
        asked.metric, kind=asked.kind, unit=asked.unit, where=asked.where, resolution=asked.resolution
    )
    archived = await answering.archived_since()
    one = question(body, AskBody([], asked.tz, asked.since, asked.until), tenant_id, now, archived)
    area = _area(asked, now)
    of = one.selection
    every = Selection(tenant_id, of.metric, of.kind, of.unit, of.where, None)
    found, labels = await answering.series(every, one.windows)
    ranked = await asyncio.to_thread(differences, found, area, list(labels), MOST)
    return {
        "metric": asked.metric,
        "from_ms": one.windows.begin_ms[0],
        "to_ms": one.windows.end_ms[-1],
        "selection": {"from_ms": area.from_ms, "to_ms": area.to_ms, "low": area.low, "high": area.high},
        "differences": [_shown(each) for each in ranked],
    }


def _area(asked: DifferencesAsked, now: int) -> Area:
    zone = zone_of(asked.tz)
    part = asked.selection
    area = Area(
        time_of("from", part.since, zone, now), time_of("to", part.until, zone, now), part.low, part.high
    )
    if area.from_ms >= area.to_ms or area.low > area.high:
        raise Refused(
            "invalid_range", "selection: must begin before it ends, in time and in value", "/selection"
        )
    return area


def _shown(one: Difference) -> dict[str, Any]:
    return {
        "label": one.label, "value": one.value, "difference": one.difference,
        "inside": one.inside, "inside_share": one.inside_share,
        "outside": one.outside, "outside_share": one.outside_share,
    }  # fmt: skip
