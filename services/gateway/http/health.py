"""`/health/live`, `/health/ready` and `/metrics`.

The law: looking never costs a request of the hot route anything: instruments read plain integers when asked.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.http.schemas import HealthBody

Probe = Callable[[], Awaitable[bool]]
"""Whether a dependency answers."""


def router(
    refusal: Callable[[], str | None], knows_keys: Callable[[], bool], probes: Mapping[str, Probe]
) -> APIRouter:
    """The routes, bound to what they report on."""
    routes = APIRouter()

    @routes.get("/health/live", summary="The process runs")
    async def live() -> dict[str, str]:
        """200 while the event loop turns."""
        return {"status": "live"}

    @routes.get("/health/ready", response_model=HealthBody, summary="Points and events can be taken")
    async def ready() -> Response:
        """200 when Kafka takes both and keys can be told apart, else 503; each dependency says how it is."""
        reason = refusal()
        states = {name: "up" if await probe() else "down" for name, probe in probes.items()}
        keys = knows_keys() or states.get("postgres") == "up"
        able = reason is None and keys
        body = HealthBody(
            status="ready" if able else "not_ready", dependencies={"kafka": reason or "up", **states}
        )
        return JSONResponse(body.model_dump(), 200 if able else 503)

    @routes.get("/metrics", summary="Counters for Prometheus")
    async def metrics() -> Response:
        """Text format of Prometheus."""
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return routes
