"""`/prometheus/api/v1/…`: what Grafana, promtool and Perses ask a Prometheus, answered as one would.

Whatever is refused, the body is Prometheus's own. Keys come as bearer tokens, in `X-API-Key` or as the password of
basic authentication. An answer holds only what the key's tenant has.
"""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from services.gateway.auth.http import reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.ports import Alerts
from services.gateway.query.prometheus.alerting import Alerting
from services.gateway.query.prometheus.discovery import Discovery
from services.gateway.query.prometheus.envelope import Reply, failure, reply_of, success
from services.gateway.query.prometheus.errors import ErrorType, QueryError
from services.gateway.query.prometheus.evaluation.reading import Instants
from services.gateway.query.prometheus.language import syntax
from services.gateway.query.prometheus.parameters import Parameters, parameters_of
from services.gateway.query.prometheus.service import Queries, Question
from services.gateway.query.questions.grouped import Source
from services.gateway.query.questions.ports import Catalogue
from shared.errors import Rejected, Unavailable, UnknownVersion
from shared.runtime.clock import now_ms

PREFIX = "/prometheus"

API = f"{PREFIX}/api/v1"

POSTED = tuple(
    f"{API}/{name}"
    for name in ("query", "query_range", "labels", "series", "query_exemplars", "parse_query", "format_query")
)
"""What is answered with GET and POST."""

PATHS = (
    *POSTED,
    *(f"{API}/{name}" for name in ("label/{name}/values", "metadata", "rules", "alerts", "status/buildinfo")),
)
"""What is answered to who has a key."""

TIMEOUT_MS = 30_000
"""Longest time for a query, whatever it asks for."""

BUILD = {
    "version": "3.5.0", "revision": "tidegauge", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
}  # fmt: skip
"""The release whose API this is. There are no `features`: clients take who has them for another system."""

_KINDS: dict[int, ErrorType] = {400: "bad_data", 401: "unauthorized", 403: "unauthorized"}

Handler = Callable[[int, Parameters], Awaitable[Reply]]


def router(
    key_cache: KeyCache,
    source: Source,
    catalogue: Catalogue,
    alerts: Alerts,
    clock: Callable[[], int] = now_ms,
) -> APIRouter:
    """The routes, bound to their dependencies."""
    queries = Queries(source, catalogue)
    discovery, alerting = Discovery(queries, catalogue), Alerting(alerts, clock)
    routes = APIRouter(include_in_schema=False)

    async def values(request: Request) -> Response:
        name = request.path_params["name"]
        return await answered(key_cache, request, lambda tenant, given: discovery.values(tenant, name, given))

    handlers: dict[str, Handler] = {
        "query": lambda tenant, given: _instant(queries, tenant, given, clock()),
        "query_range": lambda tenant, given: _range(queries, tenant, given, clock()),
        "labels": discovery.labels,
        "series": discovery.series,
        "metadata": discovery.metadata,
        "rules": alerting.rules,
        "alerts": alerting.alerts,
        "status/buildinfo": _build,
        "query_exemplars": _exemplars,
        "parse_query": _parsed,
        "format_query": _formatted,
    }
    for name, handler in handlers.items():
        path = f"{API}/{name}"
        methods = ["GET", "POST"] if path in POSTED else ["GET"]
        routes.add_api_route(path, _endpoint(key_cache, handler), methods=methods)
    routes.add_api_route(API + "/label/{name:path}/values", values, methods=["GET"])
    for word, said in (("healthy", "Healthy"), ("ready", "Ready")):
        routes.add_api_route(f"{PREFIX}/-/{word}", _sign_of_life(said), methods=["GET", "HEAD"])
    routes.add_api_route(
        f"{PREFIX}/{{rest:path}}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]
    )
    return routes


def _endpoint(key_cache: KeyCache, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answered(key_cache, request, handler)

    return endpoint


async def answered(key_cache: KeyCache, request: Request, handler: Handler) -> Response:
    """The answer of a handler, or the body of what it refuses."""
    try:
        api_key = await reader_of(key_cache, request.scope)
        return success(await handler(api_key.grant.tenant_id, await parameters_of(request)))
    except QueryError as error:
        return failure(error)
    except Problem as problem:
        return _of_problem(problem)
    except Rejected as error:
        return failure(QueryError("execution", error.message))
    except TimeoutError:
        return failure(QueryError("timeout", "query timed out in query execution"))
    except (Unavailable, UnknownVersion) as error:
        return failure(
            QueryError("unavailable", f"cannot be read now: {error}"), headers={"retry-after": "1"}
        )


def _of_problem(problem: Problem) -> Response:
    """A refusal of the key, in the form of the API."""
    error = QueryError(_KINDS.get(problem.status, "unavailable"), problem.message)
    headers = {name.decode(): value.decode() for name, value in problem.all_headers()}
    headers.pop("content-type")
    return failure(error, problem.status, headers, problem.code)


async def _instant(queries: Queries, tenant_id: int, given: Parameters, now: int) -> Reply:
    instants = Instants(given.time_ms("time", now), 0, 1)
    return await _evaluated(queries, Question(tenant_id, given.text("query"), instants, False, now), given)


async def _range(queries: Queries, tenant_id: int, given: Parameters, now: int) -> Reply:
    question = Question(tenant_id, given.text("query"), given.instants(), True, now)
    return await _evaluated(queries, question, given)


async def _evaluated(queries: Queries, question: Question, given: Parameters) -> Reply:
    limit = given.limit()
    async with asyncio.timeout(min(given.span_ms("timeout", TIMEOUT_MS), TIMEOUT_MS) / 1000):
        answer = await queries.answer(question)
        return await asyncio.to_thread(
            reply_of, answer, question.instants, is_range=question.is_range, limit=limit
        )


async def _build(_tenant_id: int, _given: Parameters) -> Reply:
    return Reply(BUILD)


async def _exemplars(_tenant_id: int, given: Parameters) -> Reply:
    syntax.shown(given.text("query"))
    return Reply([])


async def _parsed(_tenant_id: int, given: Parameters) -> Reply:
    return Reply(syntax.shown(given.text("query")))


async def _formatted(_tenant_id: int, given: Parameters) -> Reply:
    return Reply(syntax.formatted(given.text("query")))


def _sign_of_life(word: str) -> Callable[[], Awaitable[Response]]:
    async def shown() -> Response:
        return Response(f"Prometheus Server is {word}.\n", media_type="text/plain")

    return shown


async def _unknown(request: Request) -> Response:
    """What is nowhere, or is asked with another method: the API's own body too."""
    known = request.url.path in PATHS or request.url.path.startswith(f"{API}/label/")
    if known:
        return failure(
            QueryError("bad_data", f"{request.method} is not answered here"), 405, {"allow": "GET"}
        )
    return failure(QueryError("not_found", f"{request.url.path} is not answered here"))
