"""The framework for everything but the hot routes, with our own bodies for its refusals.

Invariant: whatever is refused, the body has the one form of `http.problems`.
"""

from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.gateway.http import docs as http_docs
from services.gateway.http.problems import Problem

CONTRACT = "/openapi.json"
"""Where the contract is."""


def framework(title: str) -> FastAPI:
    """An application without routes but the documentation."""
    # No redirects: there are clients that take one for a delivery (findings/otlp-python-redirect-is-success.sh).
    rest = FastAPI(
        title=title, version="1", docs_url=None, redoc_url=None, openapi_url=CONTRACT, redirect_slashes=False
    )
    rest.include_router(http_docs.router(CONTRACT, title))
    rest.add_exception_handler(Problem, _problem)
    rest.add_exception_handler(HTTPException, _http_problem)
    rest.add_exception_handler(RequestValidationError, _misfit)
    return rest


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
