"""`GET /v1/windows`: a tenant's windows by metric, labels and time.

Times in questions are milliseconds UTC or RFC 3339 with a zone. The law: a wrong parameter is named in a 400, and no
answer is wider than the key's tenant.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Query, Request, Response

from services.gateway.adapters.http_errors import Problem
from services.gateway.adapters.http_keys import KEY, holder_of, key_of
from services.gateway.adapters.http_schemas import ProblemBody, WindowsBody
from services.gateway.domain import query as domain
from services.gateway.service import Found, KeyRing, Reader
from shared.errors import Rejected, Unavailable
from shared.model.window import BASE_MS
from shared.runtime.clock import now_ms

DEFAULT_RANGE_MS = 15 * 60 * 1000
"""Range of a query without `from`."""

DEFAULT_LIMIT = 1000
"""Windows of an answer without `limit`."""

DEFAULT_QUANTILES = ["0.5", "0.95", "0.99"]
"""Quantiles of a query without `quantile`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_instant = Annotated[datetime, msgspec.Meta(tz=True)]
_INTEGER = re.compile(r"-?\d{1,15}")
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,15})?|\.\d{1,15}")

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ProblemBody, "description": "A parameter is wrong"},
    401: {"model": ProblemBody, "description": "No known key"},
    403: {"model": ProblemBody, "description": "The key may not read"},
    503: {"model": ProblemBody, "description": "The tables cannot be read now"},
}


def router(ring: KeyRing, reader: Reader) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/windows",
        response_model=WindowsBody,
        responses=REFUSALS,
        dependencies=[KEY],
        summary="Windows of a metric",
    )
    async def windows(  # noqa: PLR0917 - one parameter for each of the query's
        request: Request,
        metric: str = "",
        from_: Annotated[str, Query(alias="from", description="Default: 15 minutes before `to`")] = "",
        to: Annotated[str, Query(description="Default: now")] = "",
        label: Annotated[list[str], Query(description="`name=value`, repeatable")] = [],  # noqa: B006
        quantile: Annotated[list[str], Query(description="0 to 1, repeatable")] = DEFAULT_QUANTILES,
        limit: str = str(DEFAULT_LIMIT),
    ) -> Response:
        """Closed windows, and live ones marked `final: false`."""
        holder = await holder_of(ring, key_of(request.scope["headers"]), "read")
        now = now_ms()
        try:
            asked = _asked(holder.grant.tenant_id, metric, (from_, to), label, quantile, limit, now)
            found = await reader.windows(asked, now)
        except Rejected as error:
            raise Problem(400, error.code, error.message) from error
        except Unavailable as error:
            raise Problem(503, "unavailable", "the tables cannot be read now", 1) from error
        return Response(orjson.dumps(_answer(found, asked.quantiles)), media_type="application/json")

    return routes


def _asked(  # noqa: PLR0917 - one parameter for each of the query's
    tenant_id: int,
    metric: str,
    span: tuple[str, str],
    labels: list[str],
    quantiles: list[str],
    limit: str,
    now: int,
) -> domain.Query:
    to_ms = _time("to", span[1], now + 1)
    return domain.check(
        domain.Query(
            tenant_id,
            _text("metric", metric),
            tuple(_pair(text) for text in labels),
            _time("from", span[0], max(0, min(to_ms, now) - DEFAULT_RANGE_MS)),
            to_ms,
            tuple(_quantile(text) for text in quantiles),
            _integer("limit", limit),
        )
    )


def _answer(found: Found, quantiles: tuple[float, ...]) -> dict[str, object]:
    names = [str(quantile) for quantile in quantiles]
    return {
        "windows": [_shown(row, names) for row in found.rows],
        "truncated": found.truncated,
        "live": "available" if found.live_available else "unavailable",
    }


def _shown(row: domain.WindowRow, names: list[str]) -> dict[str, object]:
    series = row.series
    return {
        "metric": series.metric, "kind": series.kind, "unit": series.unit, "labels": dict(series.labels),
        "start_ms": row.start_ms, "end_ms": row.start_ms + BASE_MS,
        "count": row.count, "sum": row.sum, "min": row.min, "max": row.max, "last": row.last, "last_ms": row.last_ms,
        "quantiles": dict(zip(names, row.quantiles, strict=True)),
        "revision": row.revision, "late_count": row.late_count, "watermark_ms": row.watermark_ms, "final": row.final,
    }  # fmt: skip


def _time(field: str, text: str, default_ms: int) -> int:
    if not text:
        return default_ms
    if _INTEGER.fullmatch(text):
        found = int(text)
    else:
        try:
            # A plus in a query string is a blank.
            instant = msgspec.convert(text.replace(" ", "+"), _instant)
        except msgspec.ValidationError as error:
            raise Rejected(
                "invalid_time", f"{field}: must be milliseconds or RFC 3339 with a zone"
            ) from error
        found = (instant - EPOCH) // timedelta(milliseconds=1)
    if not 0 <= found < 1 << 47:
        raise Rejected("invalid_time", f"{field}: must lie between 1970 and 6429")
    return found


def _text(field: str, text: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Rejected(f"invalid_{field}", f"{field}: holds characters that no name has")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = _text("label", text).partition("=")
    if not equals:
        raise Rejected("invalid_label", "label: must be name=value")
    return name, value


def _quantile(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise Rejected("invalid_quantile", "quantile: must be a number from 0 to 1")
    return float(text)


def _integer(field: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Rejected(f"invalid_{field}", f"{field}: must be an integer")
    return int(text)
