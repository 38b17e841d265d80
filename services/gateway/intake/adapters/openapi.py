"""The intake routes as OpenAPI shows them; they are answered in front of the framework.

A wrong request gets one of these answers, whichever route it was for.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header

from services.gateway.auth.http import needs
from services.gateway.http.schemas import EventsBody, IntakeResultBody, ProblemBody, TelemetryBody
from services.gateway.intake.protocols.registry import (
    CLIENT_ALERTS,
    EVENTS,
    METRICS,
    POINTS,
    STEPS,
    USER_EVENTS,
    ProtocolRoute,
    protocol_routes,
)

RESPONSES: dict[int | str, dict[str, Any]] = {
    **{code: {"model": ProblemBody} for code in (400, 401, 403, 405, 408, 413, 415, 429, 503)},
    422: {
        "model": IntakeResultBody | ProblemBody,
        "description": "Nothing in it was good; or `idempotency_conflict`: another body came under its key",
    },
}
"""Answers of the hot route other than 202."""


_PART = re.compile(r"\{(\w+)\}")
"""A part of a path that varies."""

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


def document(rest: FastAPI) -> None:
    """Entries for the routes that are answered in front of the framework."""

    async def points(body: TelemetryBody, key: BatchKey = None) -> IntakeResultBody:
        """A 202 means that the log has them; points that are refused are named by index."""
        raise NotImplementedError(body, key)

    async def events(body: EventsBody, key: BatchKey = None) -> IntakeResultBody:
        """A 202 means that the log has them; each is stored once, however often it is sent."""
        raise NotImplementedError(body, key)

    async def legacy(body: Annotated[Any, Body()], key: BatchKey = None) -> IntakeResultBody:
        """An object, a list, or one under `metrics`, `alerts`, `events` or `steps`; JSON, or plain text of a beacon."""
        raise NotImplementedError(body, key)

    described: dict[str, Callable[..., Any]] = {
        POINTS: points,
        EVENTS: events,
        METRICS: legacy,
        CLIENT_ALERTS: legacy,
        USER_EVENTS: legacy,
        STEPS: legacy,
    }
    for path, route in protocol_routes(1, 1).items():
        if path in described:
            rest.post(
                path,
                status_code=202,
                responses=RESPONSES,
                dependencies=[needs(route.scope)],
                summary=route.summary,
            )(described[path])
        else:
            _post(rest, path, route)


def _post(rest: FastAPI, path: str, route: ProtocolRoute) -> None:
    """A route that speaks another product's dialect: its bodies and answers are that product's."""

    async def foreign() -> None:
        raise NotImplementedError(path)

    media: dict[str, Any] = {kind.decode(): {"schema": {}} for kind in sorted(route.dialect.media)} or {
        "*/*": {"schema": {}}
    }
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(path)
    ]
    extra = {"requestBody": {"content": media}} | ({"parameters": parts} if parts else {})
    rest.post(path, summary=route.summary, openapi_extra=extra)(foreign)
