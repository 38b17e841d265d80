"""`GET /performance`, `/metrics` and `/health` at the address of the queries, as the source documents name them.

Milliseconds. What they say is of the process that answers. `/health` needs no key and looks at most once a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from cachetools import TTLCache
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.auth.http import READS, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.query.parameters import REFUSALS, answer
from services.gateway.query.ports import Probe
from services.gateway.query.resources.system.performance import Timings

LOOK_EVERY_S = 1.0
"""How long the state of the dependencies is remembered for `/health`."""

PATHS = ("/performance", "/metrics")
"""What is answered here, beside `/health`, which the intake has as well."""

Figures = Callable[[], Mapping[str, Any]]
"""Figures of a part of the process, as they are now."""


def router(
    key_cache: KeyCache,
    timings: Timings,
    parts: Mapping[str, Figures],
    probes: Mapping[str, Probe],
    warnings: Callable[[], list[str]],
) -> APIRouter:
    """The routes, bound to their dependencies; `parts` are shown beside the requests."""
    routes, looked = APIRouter(), TTLCache[str, Mapping[str, str]](1, LOOK_EVERY_S)

    async def states() -> Mapping[str, str]:
        found = looked.get("states")
        if found is None:
            answers = await asyncio.gather(*(probe() for probe in probes.values()))
            found = looked["states"] = {
                name: "up" if up else "down" for name, up in zip(probes, answers, strict=True)
            }
        return found

    @routes.get("/performance", responses=REFUSALS, dependencies=[READS], summary="How fast answers are")
    async def performance(request: Request) -> Response:
        """Requests by route with quantiles, the pools of connections, the cache, and the dependencies."""
        await reader_of(key_cache, request.scope)
        shown = {name: figures() for name, figures in parts.items()}
        return answer({"requests": timings.shown(), **shown, "dependencies": await states()})

    @routes.get("/metrics", responses=REFUSALS, dependencies=[READS], summary="The same for Prometheus")
    async def metrics(request: Request) -> Response:
        """Text format of Prometheus; the port of metrics shows it without a key."""
        await reader_of(key_cache, request.scope)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/health", summary="Whether it answers")
    async def health() -> Response:
        """200 with how each dependency is, 503 where Postgres is away."""
        found = await states()
        able = found.get("postgres") == "up"
        status, code = ("ok", 200) if able else ("down", 503)
        return answer({"status": status, "dependencies": found, "warnings": warnings()}, code)

    return routes
