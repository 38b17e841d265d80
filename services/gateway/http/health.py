"""`/health/live`, `/health/ready` and `/metrics`, on a port of their own.

Looking costs no request of the API anything: instruments read plain integers when asked.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

Probe = Callable[[], Awaitable[bool]]
"""Whether a dependency answers."""


def application(
    refusals: Callable[[], Mapping[str, str | None]],
    knows_keys: Callable[[], bool],
    probes: Mapping[str, Probe],
    stopped: Mapping[str, int],
) -> FastAPI:
    """What answers there, bound to what it reports on; `stopped` counts the stopped partitions of each topic."""
    routes = FastAPI(openapi_url=None, redirect_slashes=False)

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        """200 while the event loop turns."""
        return {"status": "live"}

    @routes.get("/health/ready")
    async def ready() -> Response:
        """200 when the process can do its work and keys can be told apart, else 503; how each dependency is.

        It names the topics of which partitions are stopped. Those of the others go on and the log keeps what waits, so
        that the process is ready all the same.
        """
        reasons = refusals()
        states = {name: "up" if await probe() else "down" for name, probe in probes.items()}
        able = not any(reasons.values()) and (knows_keys() or states.get("postgres") == "up")
        body = {
            "status": "ready" if able else "not_ready",
            "dependencies": {name: reason or "up" for name, reason in reasons.items()} | states,
            "stopped_partitions": {topic: count for topic, count in stopped.items() if count},
        }
        return JSONResponse(body, 200 if able else 503)

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Text format of Prometheus."""
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return routes
