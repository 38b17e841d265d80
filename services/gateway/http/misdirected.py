"""Answers the other role's routes with 421 and the address to ask.

Never a redirect: some clients take one for a delivery (findings/otlp-python-redirect-is-success.sh).
"""

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.http.problems import Problem

KEYS = frozenset({"key", "sentry_key"})
"""Parameters of a query that hold a key."""


def routes(paths: Iterable[str], methods: Iterable[str], other: str, base_url: str) -> list[Route]:
    """A route for each path of the role `other`, which answers at `base_url`; empty: nobody is told where."""
    methods = list(methods)
    return [
        Route(path, _refusal(other, base_url), methods=methods, include_in_schema=False) for path in paths
    ]


def _refusal(other: str, base_url: str) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(request: Request) -> Response:
        message = f"this process does not answer here, a gateway of role {other} does"
        ask = base_url and base_url.rstrip("/") + _target(request)
        raise Problem(421, "misdirected", f"{message}; ask {ask}" if ask else message, ask=ask)

    return refuse


def _target(request: Request) -> str:
    """The path and query as they came, without a key."""
    path = request.scope.get("raw_path") or request.url.path.encode()
    parts = [
        part for part in request.url.query.split("&") if unquote_plus(part.partition("=")[0]) not in KEYS
    ]
    return path.decode("latin-1") + ("?" + "&".join(parts) if any(parts) else "")
