"""The response time of one request, by route, method and status: the metric `api.response_seconds`.

Seconds. The endpoint is the route as the application wrote it (`/orders/{id}`), never the path that was asked for:
paths are without number. Invariant: a request is reported once, and a route that cannot be found harms no answer.
"""

import time
from collections.abc import Callable
from logging import getLogger
from typing import Any, Protocol, SupportsFloat, SupportsIndex

METRIC = "api.response_seconds"

UNMATCHED = "unmatched"
"""Endpoint of what no route answers."""

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})

OTHER = "_OTHER"
"""Any other method: a client may invent as many as it likes."""

RouteOf = Callable[[Any], str | None]
"""The route of a request, from its ASGI scope or WSGI environment; None: none is known."""


class Timings(Protocol):
    """What takes the response times: a client of either form."""

    def timing(
        self, name: str, seconds: SupportsFloat | SupportsIndex, *, labels: dict[str, str] | None = None
    ) -> None:
        """Something took so many seconds."""


class ResponseTime:
    """Measures one answer from its making, and reports it once."""

    def __init__(self, timings: Timings, route_of: RouteOf, request: Any, method: str) -> None:
        self._timings, self._route_of, self._request = timings, route_of, request
        self._method = method if method in METHODS else OTHER
        self._began_s = time.perf_counter()
        self._endpoint: str | None = None
        self._reported = False
        self.status = "500"
        """That of an application that says nothing."""

    def begin(self, status: str) -> None:
        """The answer begins; Flask forgets the route soon afterwards."""
        self.status = status
        self._endpoint = self._found()

    def report(self) -> None:
        """The answer has ended."""
        if self._reported:
            return
        self._reported = True
        took_s = time.perf_counter() - self._began_s
        endpoint = self._endpoint or self._found() or UNMATCHED
        labels = {"endpoint": endpoint, "method": self._method, "status": self.status}
        self._timings.timing(METRIC, took_s, labels=labels)

    def _found(self) -> str | None:
        try:
            return self._route_of(self._request)
        except Exception:
            getLogger("tidegauge_client").exception("the route of a request is not found")
            return None
