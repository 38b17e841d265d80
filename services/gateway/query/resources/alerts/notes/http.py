"""`POST /v1/alerts/{alert_id}/ack`, `assign`, `comment` and `resolve`: what people say of an episode.

Milliseconds UTC. A note is of one episode and ends with it; what evaluation finds does not depend on it. Only `resolve`
tells receivers something: that it is over, by hand.
"""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import needs
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.http.schemas import ProblemBody
from services.gateway.query.page.bodies import body_of
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking, text_of
from services.gateway.query.resources.alerts.notes.postgres import MAX_NOTES, NewNote, PostgresNotes
from services.gateway.query.resources.alerts.silences.bodies import MAX_AUTHOR, MAX_TEXT, Author
from services.gateway.query.resources.alerts.silences.http import key_id, on_call
from shared.errors import Rejected

ACTIONS = ("ack", "assign", "comment", "resolve")
PATHS = tuple(f"/v1/alerts/{{alert_id}}/{action}" for action in ACTIONS)

_LASTING, _FIRING = ("pending", "firing"), ("firing",)
_SUMMARIES = {
    "ack": "Say that somebody is at it",
    "assign": "Say whose it is",
    "comment": "Say what was found",
    "resolve": "Say that it is over",
}
_WITH_TEXT = {
    "assign": "text: whom it is given to must be said",
    "comment": "text: a comment must say something",
}
OVER: dict[int | str, dict[str, Any]] = {409: {"model": ProblemBody, "description": "The episode is over"}}


class NoteAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A note to write."""

    episode_ms: int
    actor: Author
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] = ""


class NoteBody(BaseModel):
    """What somebody said of an episode."""

    action: Literal["ack", "assign", "comment", "resolve"]
    actor: str
    text: str = Field(description="Of `assign`: whom it was given to")
    at_ms: int
    episode_ms: int


_ASKS = {
    "type": "object", "required": ["episode_ms", "actor"],
    "properties": {
        "episode_ms": {"type": "integer", "description": "As the alert shows it"},
        "actor": {"type": "string", "minLength": 1, "maxLength": MAX_AUTHOR},
        "text": {"type": "string", "maxLength": MAX_TEXT, "description": "Of `assign`: whom it is given to"},
    },
}  # fmt: skip


class _Notes:
    """What may be said."""

    def __init__(self, key_cache: KeyCache, notes: PostgresNotes) -> None:
        self._key_cache = key_cache
        self._notes = notes

    async def ack(self, request: Request, alert_id: str) -> Response:
        """It holds for this episode, and no receiver is told."""
        return await self._write(request, alert_id, "ack")

    async def assign(self, request: Request, alert_id: str) -> Response:
        """`text` says whom it is given to."""
        return await self._write(request, alert_id, "assign")

    async def comment(self, request: Request, alert_id: str) -> Response:
        """It stands in the history."""
        return await self._write(request, alert_id, "comment")

    async def resolve(self, request: Request, alert_id: str) -> Response:
        """Receivers are told RESOLVED within a second; if it goes on for an hour, FIRING is told once more."""
        return await self._write(request, alert_id, "resolve")

    async def _write(self, request: Request, alert_id: str, action: str) -> Response:
        asker, asked = await on_call(self._key_cache, request), await body_of(request, NoteAsked)
        tenant_id = asker.api_key.grant.tenant_id
        with asking():
            _check(asked, action)
            named = text_of("alert_id", alert_id)
            new = NewNote(tenant_id, named, asked.episode_ms, action, asked.actor, asked.text, key_id(asker))
            note = await self._notes.write(new, _FIRING if action == "resolve" else _LASTING)
            if note is None:
                raise await self._refusal(new)
        return answer(note._asdict(), 201)

    async def _refusal(self, new: NewNote) -> Problem:
        """Why there is no such episode to speak of."""
        found = await self._notes.episode(new.tenant_id, new.alert_id)
        if found is None:
            return Problem(404, "unknown_alert", "alert_id: names no alert; GET /v1/alerts lists them")
        if found.episode_ms != new.episode_ms or found.state not in _LASTING:
            return Problem(
                409, "episode_over", f"episode_ms: this episode is over; the latest is {found.episode_ms}"
            )
        if new.action == "resolve" and found.state not in _FIRING:
            return Problem(
                409, "not_firing", "alert_id: nobody was told that it fires, so there is nothing to end"
            )
        return Problem(422, "too_many_notes", f"the episode has {MAX_NOTES} notes")


def router(key_cache: KeyCache, notes: PostgresNotes) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes, one = APIRouter(), _Notes(key_cache, notes)
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": _ASKS}}}}
    for path, action in zip(PATHS, ACTIONS, strict=True):
        routes.add_api_route(
            path, getattr(one, action), methods=["POST"], response_model=NoteBody, status_code=201,
            summary=_SUMMARIES[action], responses=REFUSALS | UNKNOWN | OVER, dependencies=[needs("oncall")],
            openapi_extra=body,
        )  # fmt: skip
    return routes


def _check(asked: NoteAsked, action: str) -> None:
    """Raise `Rejected` for a note that says too little, or what no row can hold."""
    if not 0 <= asked.episode_ms < 1 << 63:
        raise Rejected("invalid_note", "episode_ms: is no instant")
    if not asked.actor.strip() or "\0" in asked.actor:
        raise Rejected("invalid_note", "actor: must be said, without NUL")
    if "\0" in asked.text:
        raise Rejected("invalid_note", "text: may hold no NUL")
    if action in _WITH_TEXT and not asked.text.strip():
        raise Rejected("invalid_note", _WITH_TEXT[action])
