"""`GET /v1/metrics`, `/v1/metrics/{name}/labels` and `/v1/labels/{label}/values`: what can be asked for.

Pages count from 1. An answer names only what belongs to the key's tenant.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking, integer_of, text_of
from services.gateway.query.questions.ports import Catalogue, Metric, Sought
from services.gateway.query.resources.catalogue.schemas import LabelsBody, MetricsBody, ValuesBody
from shared.errors import Rejected

MAX_SIZE = 100
"""Most items of a page."""

MAX_VALUES = 1_000
"""Most values of a completion."""


def router(key_cache: KeyCache, catalogue: Catalogue) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()
    _of_metrics(routes, key_cache, catalogue)
    _of_labels(routes, key_cache, catalogue)
    _of_values(routes, key_cache, catalogue)
    return routes


def _of_metrics(routes: APIRouter, key_cache: KeyCache, catalogue: Catalogue) -> None:
    @routes.get(
        "/v1/metrics", response_model=MetricsBody, responses=REFUSALS, dependencies=[READS], summary="Metrics"
    )
    async def metrics(request: Request, page: str = "1", size: str = "20", prefix: str = "") -> Response:
        """Names with kinds, units and numbers of series, by name."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            found = await catalogue.metrics(api_key.grant.tenant_id)
            named = [one for one in found if one.name.startswith(text_of("prefix", prefix))]
            return answer(
                paged("/v1/metrics", [_shown(one) for one in named], page, size, {"prefix": prefix})
            )


def _of_labels(routes: APIRouter, key_cache: KeyCache, catalogue: Catalogue) -> None:
    @routes.get(
        "/v1/metrics/{name}/labels",
        response_model=LabelsBody,
        responses=REFUSALS | UNKNOWN,
        dependencies=[READS],
        summary="Labels of a metric",
    )
    async def labels(request: Request, name: str) -> Response:
        """Labels with how many values each has."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            tenant_id, known = api_key.grant.tenant_id, text_of("name", name)
            found = await catalogue.labels(tenant_id, known)
            if not found and all(one.name != known for one in await catalogue.metrics(tenant_id)):
                raise Problem(404, "unknown_metric", "name: GET /v1/metrics lists the metrics that there are")
        return answer({"metric": name, "labels": [{"label": key, "values": n} for key, n in found.items()]})


def _of_values(routes: APIRouter, key_cache: KeyCache, catalogue: Catalogue) -> None:
    @routes.get(
        "/v1/labels/{label}/values",
        response_model=ValuesBody,
        responses=REFUSALS,
        dependencies=[READS],
        summary="Values of a label",
    )
    async def values(
        request: Request,
        label: str,
        metric: str = "",
        prefix: str = "",
        limit: Annotated[str, Query(description=f"At most {MAX_VALUES}")] = "100",
    ) -> Response:
        """Values that begin with a prefix, ascending."""
        api_key = await reader_of(key_cache, request.scope)
        with asking():
            most = integer_of("limit", limit)
            if not 1 <= most <= MAX_VALUES:
                raise Rejected("invalid_limit", f"limit: must be 1 to {MAX_VALUES}")
            found = await catalogue.values(
                Sought(api_key.grant.tenant_id, (text_of("metric", metric),) if metric else None, ()),
                text_of("label", label),
                text_of("prefix", prefix),
                most + 1,
            )
        return answer({"label": label, "values": found[:most], "truncated": len(found) > most})


def _shown(one: Metric) -> dict[str, Any]:
    kinds = [{"kind": each.kind, "unit": each.unit, "series": each.series} for each in one.kinds]
    return {"metric": one.name, "series": sum(each.series for each in one.kinds), "kinds": kinds}


def paged(
    path: str, items: list[dict[str, Any]], page: str, size: str, parameters: dict[str, str]
) -> dict[str, Any]:
    """A page of a list, with totals and links; raise `Rejected` for a page that is no number."""
    number, length = integer_of("page", page), integer_of("size", size)
    if number < 1:
        raise Rejected("invalid_page", "page: counts from 1")
    if not 1 <= length <= MAX_SIZE:
        raise Rejected("invalid_size", f"size: must be 1 to {MAX_SIZE}")
    pages = -(-len(items) // length)
    kept = {name: value for name, value in parameters.items() if value}

    def link(to: int) -> str:
        return f"{path}?{urlencode(kept | {'page': to, 'size': length})}"

    links = {"self": link(number), "first": link(1), "last": link(max(pages, 1))}
    links |= {"next": link(number + 1)} if number < pages else {}
    links |= {"previous": link(number - 1)} if 1 < number <= pages + 1 else {}
    return {
        "items": items[(number - 1) * length : number * length], "total": len(items), "page": number,
        "page_size": length, "total_pages": pages, "has_next": number < pages, "has_previous": number > 1,
        "links": links,
    }  # fmt: skip
