"""The framework for everything but the hot route, with our own bodies for its refusals.

Invariant: whatever is refused, the body has the one form of `http_errors`.
"""

from typing import Annotated, Any, cast

from fastapi import Body, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.gateway.adapters import http_docs
from services.gateway.adapters.http_errors import Problem
from services.gateway.adapters.http_intake import EVENTS, METRICS, POINTS, STEPS, USER_EVENTS
from services.gateway.adapters.http_schemas import EventsBody, IntakeResultBody, ProblemBody, TelemetryBody
from services.gateway.auth.http import KEY

TITLE = "Tidegauge gateway"

CONTRACT = "/openapi.json"
"""Where the contract is."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    **{code: {"model": ProblemBody} for code in (400, 401, 403, 405, 408, 413, 415, 429, 503)},
    422: {
        "model": IntakeResultBody | ProblemBody,
        "description": "Nothing in it was good; or `idempotency_conflict`: another body came under its key",
    },
}
"""Answers of the hot route other than 202."""


BatchKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Names the batch: within 15 minutes the same body counts once, and another body is 422",
    ),
]
"""How a client names a batch, in the documentation; `http_batch_keys` is what looks at it."""


def framework() -> FastAPI:
    """An application without routes but the documentation of those in front of it."""
    # No redirects: there are clients that take one for a delivery (findings/otlp-python-redirect-is-success.sh).
    rest = FastAPI(
        title=TITLE, version="1", docs_url=None, redoc_url=None, openapi_url=CONTRACT, redirect_slashes=False
    )
    rest.include_router(http_docs.router(CONTRACT, TITLE))
    _document(rest)
    rest.add_exception_handler(Problem, _problem)
    rest.add_exception_handler(HTTPException, _http_problem)
    rest.add_exception_handler(RequestValidationError, _misfit)
    return rest


def _document(rest: FastAPI) -> None:
    """Entries for the routes that are answered in front of the framework."""

    async def points(body: TelemetryBody, key: BatchKey = None) -> IntakeResultBody:
        """A 202 means that the log has them; points that are refused are named by index."""
        raise NotImplementedError(body, key)

    async def events(body: EventsBody, key: BatchKey = None) -> IntakeResultBody:
        """A 202 means that the log has them; each is stored once, however often it is sent."""
        raise NotImplementedError(body, key)

    async def legacy(body: Annotated[Any, Body()], key: BatchKey = None) -> IntakeResultBody:
        """One object, a list, or a list under `metrics`, `events` or `steps`; JSON, or plain text of a beacon."""
        raise NotImplementedError(body, key)

    rest.post(POINTS, status_code=202, responses=RESPONSES, dependencies=[KEY], summary="Post points")(points)
    rest.post(EVENTS, status_code=202, responses=RESPONSES, dependencies=[KEY], summary="Post events")(events)
    for path, summary in (
        (METRICS, "Post web vitals and timings"),
        (USER_EVENTS, "Post user events"),
        (STEPS, "Post funnel steps"),
    ):
        rest.post(path, status_code=202, responses=RESPONSES, dependencies=[KEY], summary=summary)(legacy)


async def _problem(_: Request, error: Exception) -> Response:
    problem = cast("Problem", error)
    headers = {name.decode(): value.decode() for name, value in problem.all_headers()}
    return Response(problem.body(), problem.status, headers)


async def _http_problem(request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(refusal.status_code, "refused")
    headers = [(name.encode(), value.encode()) for name, value in (refusal.headers or {}).items()]
    return await _problem(request, Problem(refusal.status_code, code, str(refusal.detail), headers=headers))


async def _misfit(request: Request, _: Exception) -> Response:
    return await _problem(request, Problem(400, "invalid_parameter", "a parameter has the wrong type"))
