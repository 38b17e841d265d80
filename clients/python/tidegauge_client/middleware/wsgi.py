"""Measures a WSGI application: Flask, Django, Falcon.

The route is found by `routes`, or by a function of the application's own. A request ends when the server closes its
body. An exception is a 500, also after the answer has begun.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tidegauge_client.middleware import routes
from tidegauge_client.middleware.response_time import ResponseTime, RouteOf, Timings


class WSGIMiddleware:
    """Around a WSGI application: `app.wsgi_app = WSGIMiddleware(app.wsgi_app, telemetry)`."""

    def __init__(self, app: Any, telemetry: Timings, *, route_of: RouteOf | None = None) -> None:
        self._app, self._telemetry = app, telemetry
        self._route_of = route_of or routes.of_wsgi(app)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        measured = ResponseTime(self._telemetry, self._route_of, environ, str(environ["REQUEST_METHOD"]))

        def watched(said: str, headers: Any, *rest: Any) -> Any:
            measured.begin(said.partition(" ")[0])
            return start_response(said, headers, *rest)

        try:
            return _Body(self._app(environ, watched), measured)
        except BaseException:
            measured.status = "500"
            measured.report()
            raise


class _Body:
    """The body of an answer; the server closes it when it has been sent."""

    def __init__(self, body: Iterable[bytes], measured: ResponseTime) -> None:
        self._body, self._measured = body, measured

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception:
            self._measured.status = "500"
            raise

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._measured.report()
