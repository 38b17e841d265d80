"""Measures an ASGI application: FastAPI, Starlette, Django, Falcon.

The route is found by `routes`, or by a function of the application's own. A request ends when the application returns,
whose background tasks count. An exception is a 500, also after the answer has begun.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tidegauge_client.middleware import routes
from tidegauge_client.middleware.response_time import ResponseTime, RouteOf, Timings

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]


class ASGIMiddleware:
    """Around an ASGI application: `app = ASGIMiddleware(app, telemetry)`."""

    def __init__(self, app: Any, telemetry: Timings, *, route_of: RouteOf | None = None) -> None:
        self._app, self._telemetry = app, telemetry
        self._route_of = route_of or routes.of_asgi(app)

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request, or whatever else the server asks for."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[routes.ROOT] = scope.get("root_path", "")
        measured = ResponseTime(self._telemetry, self._route_of, scope, str(scope["method"]))

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                measured.begin(str(message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            measured.status = "500"
            raise
        finally:
            measured.report()
