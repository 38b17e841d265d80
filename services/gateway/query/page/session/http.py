"""`/v1/session`: a key, or a link that logs in once, becomes a cookie of this origin; who has logged in; logging out.

Milliseconds UTC. A key that may not read opens no session. What is sent is never repeated, in an answer or in a log.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import (
    MAX_KEY_BYTES,
    READS,
    address_of,
    asker_of,
    granted,
)
from services.gateway.auth.key_cache import ApiKey, KeyCache
from services.gateway.auth.session import Sessions, check_keeps_cookies, check_page, set_cookie
from services.gateway.http.problems import Problem
from services.gateway.query.page.bodies import body_of
from services.gateway.query.page.session.postgres import PostgresKeyNames
from services.gateway.query.parameters import REFUSALS, answer, asking
from shared.access import logins
from shared.postgres import installation
from shared.postgres.connections import Pool
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.redis import Client

PATH = "/v1/session"

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_KEY_BYTES)]


class LogInBody(msgspec.Struct, forbid_unknown_fields=True):
    """How somebody logs in: by one of these."""

    key: _Text | None = None
    once: _Text | None = None


class SessionBody(BaseModel):
    """Who has logged in."""

    tenant: str
    scope: str = Field(description="`read`, `oncall` or `admin`")
    key: str = Field(description="How the key begins")
    expires_ms: int | None = Field(description="When the session ends; null: a key came, and no session")


_ASKED = {"type": "object", "properties": {"key": {"type": "string"}, "once": {"type": "string"}}}
CONTRACT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ASKED}}}
}


@dataclass(frozen=True, slots=True)
class LogIn:
    """What logging in takes."""

    key_cache: KeyCache
    sessions: Sessions
    names: PostgresKeyNames
    pool: Pool
    client: Client

    async def key_hash(self, asked: LogInBody, address: str) -> bytes:
        """SHA-256 of the key that is logged in with; raise `Problem`."""
        if (asked.key is None) is (asked.once is None):
            raise Problem(400, "invalid_session", "key: give it, or `once`, and not both")
        if asked.key is not None:
            return sha256(asked.key.strip().encode()).digest()
        return await self._by_link(asked.once or "", address)

    async def _by_link(self, token: str, address: str) -> bytes:
        """What a link logs in with; one that is none counts as a key that nobody has."""
        limit = self.key_cache.limit
        if (wait_s := limit.wait_s(address, monotonic_s())) > 0:
            raise Problem(
                429, "too_many_unknown_keys", "too many links came that nobody has", int(wait_s) + 1
            )
        limit.begin()
        found = None
        try:
            with asking():
                secret = await installation.secret_now(self.pool)
                found = await logins.take(self.client, secret, token, now_ms())
        finally:
            limit.end(address, found=found is not None)
        if found is None:
            raise Problem(401, "link_used", "once: the link was used, or is older than 10 minutes")
        return found

    async def shown(self, api_key: ApiKey, key_hash: bytes, expires_ms: int | None) -> dict[str, Any]:
        """The session as answers show it."""
        with asking():
            tenant, prefix = await self.names.of(key_hash)
        return {"tenant": tenant, "scope": api_key.grant.scope, "key": prefix, "expires_ms": expires_ms}

    async def begin(self, request: Request) -> Response:
        """Log in."""
        check_page(request.scope)
        headers, address = request.scope["headers"], address_of(request.scope)
        check_keeps_cookies(headers)
        key_hash = await self.key_hash(await body_of(request, LogInBody), address)
        api_key = await granted(self.key_cache, key_hash, "read", address)
        with asking():
            session, value = await self.sessions.begin(key_hash)
        made = answer(await self.shown(api_key, key_hash, session.expires_ms))
        return _private(made, set_cookie(headers, value))

    async def current(self, request: Request) -> Response:
        """Who asks."""
        asker = await asker_of(self.key_cache, request.scope, "read")
        return _private(answer(await self.shown(asker.api_key, asker.key_hash, asker.expires_ms)))


def router(log_in: LogIn) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes = APIRouter()
    answers: dict[str, Any] = {"response_model": SessionBody, "responses": REFUSALS}

    @routes.post(PATH, summary="Log in", openapi_extra=CONTRACT, **answers)
    async def begin(request: Request) -> Response:
        """By `key`, or by the token `once` of a link; the cookie is good for 12 hours, as long as the key is."""
        return await log_in.begin(request)

    @routes.get(PATH, summary="Who has logged in", dependencies=[READS], **answers)
    async def current(request: Request) -> Response:
        """The session of the cookie, or the key that came."""
        return await log_in.current(request)

    @routes.delete(PATH, status_code=204, summary="Log out", responses=REFUSALS)
    async def end(request: Request) -> Response:
        """The browser forgets the cookie; without one nothing happens."""
        check_page(request.scope)
        return _private(Response(status_code=204), set_cookie(request.scope["headers"], "", 0))

    return routes


def _private(made: Response, cookie: str = "") -> Response:
    """Kept nowhere but in the cookie."""
    made.headers["cache-control"] = "no-store"
    if cookie:
        made.headers["set-cookie"] = cookie
    return made
