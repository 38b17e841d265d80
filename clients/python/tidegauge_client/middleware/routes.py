"""The route of a request as its framework knows it: Starlette, FastAPI, Django, Flask, Falcon.

No framework is imported but by an application that uses it. Paths below a mount begin with the path of the mount as the
application wrote it, without what a proxy put before all of them.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tidegauge_client.middleware.response_time import RouteOf

NOTED = "tidegauge.route"
"""Where in scope or environment a route may stand that something within the application has noted."""

ROOT = "tidegauge.root_path"
"""Where in the scope its first `root_path` stands: a mount makes it longer."""

_FULL, _PARTIAL = 2, 1
"""What `matches` of Starlette's routes says: it is this one, or would be for another method."""


def of_asgi(app: Any) -> RouteOf:
    """How the route of a scope is found, by what the application is made with."""
    return {"django": _of_django_scope, "falcon": _of_falcon}.get(_framework(app, "asgi"), _of_starlette)


def of_wsgi(app: Any) -> RouteOf:
    """How the route of an environment is found, by what the application is made with."""
    return {"django": _of_django_environ, "falcon": _of_falcon}.get(_framework(app, "wsgi"), _of_flask)


def _framework(app: Any, gate: str) -> str:
    names = {module.__module__.partition(".")[0] for module in type(app).__mro__}
    if "falcon" in names:
        app.add_middleware(_FalconNote() if gate == "wsgi" else _FalconAsyncNote())
    return next(iter(names & {"django", "falcon"}), "")


def _of_falcon(request: Mapping[str, Any]) -> str | None:
    return request.get(NOTED)


class _FalconNote:
    """Notes the route of a request when Falcon has found it."""

    def process_resource(self, req: Any, resp: Any, resource: Any, params: Any) -> None:
        req.env[NOTED] = req.uri_template


class _FalconAsyncNote:
    async def process_resource(self, req: Any, resp: Any, resource: Any, params: Any) -> None:
        req.scope[NOTED] = req.uri_template


def _of_flask(environ: Mapping[str, Any]) -> str | None:
    if NOTED in environ:
        return str(environ[NOTED])
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return None if rule is None else str(rule)


def _of_django_environ(environ: Mapping[str, Any]) -> str | None:
    path = str(environ.get("PATH_INFO", ""))
    with suppress(UnicodeError):  # Django leaves text in the place of bytes that were read as latin-1
        path = path.encode("latin-1").decode()
    return _of_django(path)


def _of_django_scope(scope: Mapping[str, Any]) -> str | None:
    return _of_django(str(scope["path"]).removeprefix(scope.get("root_path", "")))


def _of_django(path: str) -> str | None:
    # Django keeps what it has found at a request that is gone by now.
    from django.urls import Resolver404, resolve  # type: ignore[import-not-found]  # noqa: PLC0415

    try:
        return f"/{resolve(path).route}"
    except Resolver404:
        return None


def _of_starlette(scope: Mapping[str, Any]) -> str | None:
    if NOTED in scope:
        return str(scope[NOTED])
    route = scope.get("route")
    mounted = scope.get("root_path", "") != scope.get(ROOT, "")
    if route is None and not mounted and scope.get("endpoint") is None:
        return None
    if mounted or route is None or hasattr(route, "routes"):
        return _walked(scope)
    return _whole(scope) or str(route.path)


def _whole(scope: Mapping[str, Any]) -> str | None:
    """The path of a route of FastAPI together with the prefixes of its routers; `route.path` has them not."""
    found = scope.get("fastapi")
    context = found.get("effective_route_context") if isinstance(found, dict) else None
    path = getattr(context, "path", None)
    return path if isinstance(path, str) and path else None


def _walked(scope: Mapping[str, Any]) -> str | None:
    """The route, looked for again from the outermost router on: a mount leaves its path, not how it was written."""
    routes = getattr(scope.get("router"), "routes", ())
    trial = {
        "type": "http",
        "path": scope["path"],
        "method": scope["method"],
        "root_path": scope.get(ROOT, ""),
    }
    prefix = ""
    while (found := _first(routes, trial)) is not None:
        route, child = found
        whole = _whole(child)
        prefix += whole or str(getattr(route, "path", ""))
        routes = getattr(route, "routes", ())
        if whole or not routes:
            return prefix or None
        trial.update(child)
    return None


def _first(routes: Any, trial: dict[str, Any]) -> tuple[Any, Mapping[str, Any]] | None:
    partial = None
    for route in routes:
        match, child = route.matches(trial)
        if match.value == _FULL:
            return route, child
        if match.value == _PARTIAL and partial is None:
            partial = route, child
    return partial
