"""The intake routes as OpenAPI shows them; they are answered in front of the framework.

A wrong request gets one of these answers, whichever route it was for.
"""

from typing import Annotated, Any

from fastapi import Body, FastAPI, Header

from services.gateway.auth.http import KEY
from services.gateway.http.schemas import EventsBody, IntakeResultBody, ProblemBody, TelemetryBody
from services.gateway.intake.protocols.registry import EVENTS, METRICS, POINTS, STEPS, USER_EVENTS

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


def document(rest: FastAPI) -> None:
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
