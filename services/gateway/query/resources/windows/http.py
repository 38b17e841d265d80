"""`GET /v1/windows`: a tenant's windows by metric, labels and time.

Times in questions are milliseconds UTC, RFC 3339 with a zone, or now less a span. A wrong parameter is
answered 400 with its name. An answer contains only windows of the key's tenant.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.schemas import WindowsBody
from services.gateway.query.parameters import REFUSALS, answer, asking, integer_of, text_of
from services.gateway.query.questions.calendar import time_of
from services.gateway.query.resources.cursors import Cursors, kept_of, with_next
from services.gateway.query.resources.windows import windows as domain
from services.gateway.query.service import Found, Reader
from shared.errors import Rejected
from shared.model.window import TIERS_MS
from shared.runtime.clock import now_ms

DEFAULT_WINDOWS = 90
"""Range of a query without `from`, in windows."""

RESOLUTIONS = dict(zip(("10s", "1m", "15m"), TIERS_MS, strict=True))
"""What a question calls the tiers."""

DEFAULT_LIMIT = 1000
"""Windows of an answer without `limit`."""

DEFAULT_QUANTILES = ["0.5", "0.95", "0.99"]
"""Quantiles of a query without `quantile`."""

LABEL = '`name=value`, or `"name"=value` where the name holds `=`; repeatable'
"""How a label is asked for."""

_PAIR = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"=][^=]*))=(.*)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,15})?|\.\d{1,15}")


def router(key_cache: KeyCache, reader: Reader, cursors: Callable[[], Awaitable[Cursors]]) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(
        "/v1/windows",
        response_model=WindowsBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="Windows of a metric",
    )
    async def windows(  # noqa: PLR0917 - one parameter for each of the query's
        request: Request,
        metric: str = "",
        from_: Annotated[str, Query(alias="from", description="Default: 90 windows before `to`")] = "",
        to: Annotated[str, Query(description="Default: now")] = "",
        label: Annotated[list[str], Query(description=LABEL)] = [],  # noqa: B006
        quantile: Annotated[list[str], Query(description="0 to 1, repeatable")] = DEFAULT_QUANTILES,
        limit: str = str(DEFAULT_LIMIT),
        resolution: Annotated[str, Query(description="Length of the windows: 10s, 1m or 15m")] = "10s",
        cursor: Annotated[str, Query(description="`next` of the page before")] = "",
    ) -> Response:
        """Closed windows, and live ones marked `final: false`, in pages."""
        api_key = await reader_of(key_cache, request.scope)
        now = now_ms()
        with asking():
            asked = _asked(
                api_key.grant.tenant_id, metric, (from_, to), label, quantile, limit, now, _tier(resolution)
            )
            # A range that follows the clock is another one each time.
            filters = _filters(asked, bool(from_), bool(to))
            signed = await cursors()
            if cursor:
                asked = replace(asked, after=domain.Position(*signed.position(cursor, filters, now)))
            found = await reader.windows(asked, now)
        following = signed.after(filters, found.last, now) if found.last else None
        return with_next(answer(_answer(found, asked, following)), request, following)

    return routes


def _asked(  # noqa: PLR0917 - one parameter for each of the query's
    tenant_id: int,
    metric: str,
    span: tuple[str, str],
    labels: list[str],
    quantiles: list[str],
    limit: str,
    now: int,
    resolution_ms: int,
) -> domain.Query:
    to_ms = time_of("to", span[1] or now + 1, None, now)
    return domain.check(
        domain.Query(
            tenant_id,
            text_of("metric", metric),
            tuple(_pair(text) for text in labels),
            time_of("from", span[0] or max(0, min(to_ms, now) - DEFAULT_WINDOWS * resolution_ms), None, now),
            to_ms,
            tuple(_quantile(text) for text in quantiles),
            integer_of("limit", limit),
            resolution_ms,
        )
    )


def _filters(asked: domain.Query, *given: bool) -> tuple[object, ...]:
    """What a cursor belongs to."""
    span = [at_ms for at_ms, is_given in zip((asked.from_ms, asked.to_ms), given, strict=True) if is_given]
    return (asked.tenant_id, asked.metric, asked.labels, asked.resolution_ms, given, span)


def _answer(found: Found, asked: domain.Query, following: str | None) -> dict[str, object]:
    names = [str(quantile) for quantile in asked.quantiles]
    return {
        "windows": [_shown(row, names, asked.resolution_ms) for row in found.rows],
        "truncated": found.last is not None,
        "next": following,
        "live": "available" if found.live_available else "unavailable",
    } | kept_of(asked.from_ms, found.kept_since_ms)


def _shown(row: domain.WindowRow, names: list[str], resolution_ms: int) -> dict[str, object]:
    series = row.series
    return {
        "metric": series.metric, "kind": series.kind, "unit": series.unit, "labels": dict(series.labels),
        "start_ms": row.start_ms, "end_ms": row.start_ms + resolution_ms,
        "count": row.count, "samples": row.samples, "sum": row.sum,
        "min": row.min, "max": row.max, "last": row.last, "last_ms": row.last_ms,
        "quantiles": dict(zip(names, row.quantiles, strict=True)),
        "revision": row.revision, "late_count": row.late_count, "watermark_ms": row.watermark_ms, "final": row.final,
        "estimated": row.estimated, "kept_up": row.kept_up,
    }  # fmt: skip


def _tier(text: str) -> int:
    if text not in RESOLUTIONS:
        raise Rejected("invalid_resolution", "resolution: must be 10s, 1m or 15m")
    return RESOLUTIONS[text]


def _pair(text: str) -> tuple[str, str]:
    found = _PAIR.fullmatch(text_of("label", text))
    if found is None:
        raise Rejected("invalid_label", f"label: must be {LABEL}")
    quoted, name, value = found.groups()
    return name if quoted is None else _ESCAPED.sub(r"\1", quoted), value


def _quantile(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise Rejected("invalid_quantile", "quantile: must be a number from 0 to 1")
    return float(text)
