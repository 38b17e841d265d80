"""`GET /v1/windows`: a tenant's windows by metric, labels and time.

Times in questions are milliseconds UTC or RFC 3339 with a zone. The law: a wrong parameter is named in a 400, and no
answer is wider than the key's tenant.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.adapters.http_keys import KEY, holder_of, key_of
from services.gateway.adapters.http_questions import REFUSALS, answer, asking, integer_of, text_of, time_of
from services.gateway.adapters.http_schemas import WindowsBody
from services.gateway.domain import query as domain
from services.gateway.service import Found, KeyRing, Reader
from shared.errors import Rejected
from shared.model.window import BASE_MS
from shared.runtime.clock import now_ms

DEFAULT_RANGE_MS = 15 * 60 * 1000
"""Range of a query without `from`."""

DEFAULT_LIMIT = 1000
"""Windows of an answer without `limit`."""

DEFAULT_QUANTILES = ["0.5", "0.95", "0.99"]
"""Quantiles of a query without `quantile`."""

_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,15})?|\.\d{1,15}")


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
        with asking():
            asked = _asked(holder.grant.tenant_id, metric, (from_, to), label, quantile, limit, now)
            found = await reader.windows(asked, now)
        return answer(_answer(found, asked.quantiles))

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
    to_ms = time_of("to", span[1], now + 1)
    return domain.check(
        domain.Query(
            tenant_id,
            text_of("metric", metric),
            tuple(_pair(text) for text in labels),
            time_of("from", span[0], max(0, min(to_ms, now) - DEFAULT_RANGE_MS)),
            to_ms,
            tuple(_quantile(text) for text in quantiles),
            integer_of("limit", limit),
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


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text_of("label", text).partition("=")
    if not equals:
        raise Rejected("invalid_label", "label: must be name=value")
    return name, value


def _quantile(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise Rejected("invalid_quantile", "quantile: must be a number from 0 to 1")
    return float(text)
