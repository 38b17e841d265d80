"""`/v1/silences`: who is on call lists, previews, makes and ends silences; who may read lists them.

Milliseconds UTC. Dispatch heeds a change within a second. A silence is never changed but for its end: to change one is
to make another and to end it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, Asker, asker_of, needs, reader_of
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.page.bodies import body_of
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking, text_of
from services.gateway.query.resources.alerts.silences import bodies
from services.gateway.query.resources.alerts.silences.bodies import PreviewAsked, SilenceAsked
from services.gateway.query.resources.alerts.silences.postgres import MAX_LISTED, PostgresSilences
from shared.access.api_keys import ID_DIGITS
from shared.alerts.silences.matchers import matching
from shared.alerts.silences.tables import STATES
from shared.errors import Rejected
from shared.runtime.clock import now_ms

PATH, OF_SILENCE, PREVIEW = "/v1/silences", "/v1/silences/{silence_id}", "/v1/silences/preview"

SHOWN = 20
"""Alerts that a preview names."""

DEFAULT_STATES = ["active", "pending"]


class _Silences:
    """What may be asked and done."""

    def __init__(self, key_cache: KeyCache, silences: PostgresSilences) -> None:
        self._key_cache = key_cache
        self._silences = silences

    async def listed(
        self,
        request: Request,
        state: Annotated[
            list[str], Query(description="`active`, `pending`, `expired`; repeatable")
        ] = DEFAULT_STATES,
    ) -> Response:
        """At most 1,000, the last to end first, each with how many alerts it is about now."""
        tenant_id = (await reader_of(self._key_cache, request.scope)).grant.tenant_id
        with asking():
            found = await self._silences.listed(tenant_id, _states(state))
            lasting = await self._silences.lasting_alerts(tenant_id)
        silences = [
            {
                **bodies.shown(one),
                "alerts": sum(matching(one.silence.matchers, alert.labels) for alert in lasting),
            }
            for one in found[:MAX_LISTED]
        ]
        return answer({"silences": silences, "truncated": len(found) > MAX_LISTED})

    async def create(self, request: Request) -> Response:
        """Hold back what fires and has such labels, until an end that must be given."""
        asker, asked = await on_call(self._key_cache, request), await body_of(request, SilenceAsked)
        with asking():
            new = bodies.new_of(asked, asker.api_key.grant.tenant_id, key_id(asker), now_ms())
            made = await self._silences.create(new)
        if made is None:
            raise too_many()
        return answer(bodies.shown(made), 201)

    async def preview(self, request: Request) -> Response:
        """How many alerts such a silence would be about, now and in the last seven days."""
        asker, asked = await on_call(self._key_cache, request), await body_of(request, PreviewAsked)
        with asking():
            matchers = bodies.matchers_of(asked.matchers)
            found = await self._silences.preview(asker.api_key.grant.tenant_id, matchers)
        alerts = [alert._asdict() for alert in found.now[:SHOWN]]
        counts = {"now": len(found.now), "last_7_days": found.last_7_days}
        return answer({**counts, "alerts": alerts, "truncated": found.truncated})

    async def expire(
        self,
        request: Request,
        silence_id: str,
        author: Annotated[str, Query(max_length=bodies.MAX_AUTHOR, description="Who ends it")] = "",
    ) -> Response:
        """It ends now; what still fires is told."""
        asker = await on_call(self._key_cache, request)
        by = author or f"key {key_id(asker)}"
        with asking():
            ended = await self._silences.expire(
                asker.api_key.grant.tenant_id, text_of("silence_id", silence_id), text_of("author", by)
            )
        if ended is None:
            raise Problem(
                404, "unknown_silence", "silence_id: names none that lasts; GET /v1/silences lists them"
            )
        return answer(bodies.shown(ended))


def router(key_cache: KeyCache, silences: PostgresSilences) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes, one = APIRouter(), _Silences(key_cache, silences)
    changes: dict[str, Any] = {"responses": REFUSALS, "dependencies": [needs("oncall")]}
    for path, answers, method, model, summary, more in (
        (PATH, one.listed, "GET", bodies.SilencesBody, "Silences", {"responses": REFUSALS, "dependencies": [READS]}),
        (PATH, one.create, "POST", bodies.SilenceBody, "Silence", {**changes, **_asks(bodies.ASKS_SILENCE)}),
        (PREVIEW, one.preview, "POST", bodies.PreviewBody, "What a silence would be about",
         {**changes, **_asks(bodies.ASKS_PREVIEW)}),
        (OF_SILENCE, one.expire, "DELETE", bodies.SilenceBody, "End a silence",
         {**changes, "responses": REFUSALS | UNKNOWN}),
    ):  # fmt: skip
        status = 201 if answers == one.create else 200
        routes.add_api_route(
            path, answers, methods=[method], response_model=model, status_code=status, summary=summary, **more
        )
    return routes


async def on_call(key_cache: KeyCache, request: Request) -> Asker:
    """Who acts on alerts; raise `Problem` for who may not."""
    return await asker_of(key_cache, request.scope, "oncall")


def key_id(asker: Asker) -> str:
    """What names the key that somebody acts with."""
    return asker.key_hash.hex()[:ID_DIGITS]


def too_many() -> Problem:
    """The refusal of one more than a tenant may have."""
    return Problem(422, "too_many_silences", "the tenant has 1,000 silences that have not ended")


def _states(names: list[str]) -> list[str]:
    if not set(names) <= set(STATES):
        raise Rejected("invalid_state", f"state: must be one of {', '.join(STATES)}")
    return names


def _asks(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        }
    }
