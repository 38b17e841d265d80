"""`GET /v1/cache` and `DELETE /v1/cache`: how often blocks were known, and clearing them; also under an older name.

A tenant sees its own figures, of the process that answers. Clearing makes new keys: it costs the same however much
there is, and is heeded by the other processes within two seconds.
"""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import READS, bearer_of, needs, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.cache.entry import KINDS
from services.gateway.query.cache.statistics import ANSWERS, shown
from services.gateway.query.cache.wired import CacheParts
from services.gateway.query.parameters import REFUSALS, answer, asking, text_of
from shared.errors import Rejected
from shared.model.series import MAX_METRIC_BYTES

PATHS = ("/v1/cache", "/api/v1/analytics/cache")
"""What is answered here, with GET and DELETE."""


class LayerBody(BaseModel):
    """Blocks of one kind in one layer, or answers."""

    layer: Literal["l1", "l2"] = Field(description="`l1`: memory of this process; `l2`: Redis")
    kind: Literal["10s", "1m", "15m", "answer"] = Field(
        description="Blocks by tier, or answers; those in `l1`"
    )
    hits: int
    misses: int
    invalid: int = Field(description="There was one, and the log says that it may be old")
    bytes: int | None = Field(None, description="What it takes; of `l1` alone")


class CacheBody(BaseModel):
    """How often blocks were known to this process, for this tenant."""

    enabled: bool
    current: bool = Field(description="Whether the log is known well enough for entries to be used")
    hits: int = Field(description="Blocks for which no table was read")
    misses: int
    hit_rate_percent: float | None
    layers: list[LayerBody]


class ClearedBody(BaseModel):
    """What was cleared."""

    cleared: str = Field(description="The metric, or `all`")
    everywhere: bool = Field(description="False: only in this process, for Redis does not answer")


def router(key_cache: KeyCache, parts: CacheParts) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()

    async def figures(request: Request) -> Response:
        """Of the blocks that this tenant asked of this process: hits, misses, and entries that were not valid."""
        tenant_id = (await reader_of(key_cache, request.scope)).grant.tenant_id
        sizes = {KINDS[tier_ms]: size for tier_ms, size in parts.memory.bytes_of(tenant_id).items()}
        sizes[ANSWERS] = parts.answers.bytes_of(tenant_id)
        found = shown(parts.cache.statistics.of(tenant_id), KINDS.values(), sizes)
        return answer({"enabled": True, "current": parts.changes.known().current} | found)

    async def clear(request: Request, metric: str = "") -> Response:
        """All blocks of the tenant, or of one metric, are read anew from now on."""
        api_key = await bearer_of(key_cache, request.scope, "admin")
        with asking():
            if len(text_of("metric", metric).encode()) > MAX_METRIC_BYTES:
                raise Rejected("invalid_metric", f"metric: has at most {MAX_METRIC_BYTES} bytes")
        everywhere = await parts.salts.clear(api_key.grant.tenant_id, metric or None)
        return answer({"cleared": metric or "all", "everywhere": everywhere})

    for path in PATHS:
        routes.add_api_route(
            path, figures, methods=["GET"], response_model=CacheBody, responses=REFUSALS, dependencies=[READS],
            summary="How often the cache knew", name=f"figures {path}",
        )  # fmt: skip
        routes.add_api_route(
            path, clear, methods=["DELETE"], response_model=ClearedBody, responses=REFUSALS,
            dependencies=[needs("admin")], summary="Clear the cache", name=f"clear {path}",
        )  # fmt: skip
    return routes
