"""`/v1/keys`: an admin lists, makes, rotates and revokes the keys of its tenant. A key is shown once, as it is made.

Times are milliseconds UTC, spans seconds. A change is heeded at once where the process hears of it, within a minute
everywhere: the answer says so.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.auth.http import bearer_of, needs
from services.gateway.auth.key_cache import FRESH_S, KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.page.bodies import body_of
from services.gateway.query.page.keys.postgres import PostgresKeys
from services.gateway.query.parameters import REFUSALS, UNKNOWN, answer, asking
from shared.access.api_keys import MAX_NAME, MAX_ORIGINS, PREFIX_LENGTH, Key, Scope, is_name, origin_of
from shared.errors import Misconfigured
from shared.postgres.instants import at, ms_of
from shared.runtime.clock import now_ms

PATH, OF_KEY, ROTATED = "/v1/keys", "/v1/keys/{key_id}", "/v1/keys/{key_id}/rotate"

HERE_S = 2
"""A change is heeded here within this, as long as Postgres can tell of it."""

MAX_KEEP_S = 90 * 24 * 3600
"""How long a key may outlive its successor's making."""


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """A key to make."""

    scope: Scope
    origins: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=300)]], msgspec.Meta(max_length=MAX_ORIGINS)
    ] = []
    name: str = ""


class RotateBody(msgspec.Struct, forbid_unknown_fields=True):
    """How long the key that is replaced stays good."""

    keep_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_KEEP_S)] | None = None


class KeyBody(BaseModel):
    """A key without itself."""

    id: str
    name: str = Field(description="What its owner calls it; empty: nothing")
    scope: Scope
    origins: list[str] = Field(description="Pages of these alone may use it; none: no page needs to")
    prefix: str = Field(description="How it begins")
    state: Literal["live", "rotated", "revoked"] = Field(
        description="`rotated`: it has a successor and is good still"
    )
    made_ms: int
    last_used_ms: int | None = Field(description="Within two minutes or so; null: never")
    ends_ms: int | None = Field(description="When it ends or has ended; null: it does not by itself")


class KeysBody(BaseModel):
    """Keys, the newest first."""

    keys: list[KeyBody]


class MadeBody(BaseModel):
    """A key that was made: this is the only time it can be seen."""

    key: str
    prefix: str
    scope: Scope


class HeededBody(BaseModel):
    """From when on a change holds."""

    id: str
    here_s: int
    everywhere_s: int


_TEXTS = {"type": "array", "items": {"type": "string"}}
_CREATE = {
    "required": ["scope"],
    "properties": {"scope": {"enum": ["write", "beacon", "read", "oncall", "admin"]}, "origins": _TEXTS,
                   "name": {"type": "string", "maxLength": MAX_NAME}},
}  # fmt: skip
_ROTATE = {"properties": {"keep_s": {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_KEEP_S}}}


class _Keys:
    """What an admin may do."""

    def __init__(self, key_cache: KeyCache, keys: PostgresKeys) -> None:
        self._key_cache = key_cache
        self._keys = keys

    async def _tenant_of(self, request: Request) -> int:
        return (await bearer_of(self._key_cache, request.scope, "admin")).grant.tenant_id

    async def listed(self, request: Request) -> Response:
        """Those of the tenant, at most 1,000, the newest first."""
        tenant_id, now = await self._tenant_of(request), at(now_ms())
        with asking():
            found = await self._keys.all(tenant_id)
        return _private({"keys": [_shown(key, now) for key in found]})

    async def create(self, request: Request) -> Response:
        """Of a scope, for pages of these origins; a beacon needs some."""
        tenant_id, asked = await self._tenant_of(request), await body_of(request, CreateBody)
        _check(asked)
        with asking():
            made = await self._keys.create(tenant_id, asked.scope, asked.origins, asked.name)
        if made is None:
            raise Problem(422, "too_many_keys", "the tenant has as many keys as it may have")
        return _made(made, asked.scope)

    async def rotate(self, request: Request, key_id: str) -> Response:
        """A successor with the same rights; both are good for `keep_s`, or until the old one is revoked."""
        tenant_id, asked = await self._tenant_of(request), await body_of(request, RotateBody)
        with asking():
            made = await self._keys.rotate(tenant_id, key_id, asked.keep_s)
        if made is None:
            raise _unknown()
        if not made:
            raise Problem(
                422, "has_successor", "key_id: the key has a successor; revoke it, or rotate that one"
            )
        return _made(made, _SCOPES[made[3]])

    async def revoke(self, request: Request, key_id: str) -> Response:
        """It opens nothing any more, and its sessions and streams end."""
        tenant_id = await self._tenant_of(request)
        with asking():
            ended = await self._keys.revoke(tenant_id, key_id)
        if not ended:
            raise _unknown()
        return _private({"id": key_id, "here_s": HERE_S, "everywhere_s": int(FRESH_S)})


def router(key_cache: KeyCache, keys: PostgresKeys) -> APIRouter:
    """The routes, bound to their dependencies."""
    routes, one = APIRouter(), _Keys(key_cache, keys)
    all_keys: dict[str, Any] = {"responses": REFUSALS, "dependencies": [needs("admin")]}
    of_key: dict[str, Any] = {**all_keys, "responses": REFUSALS | UNKNOWN}
    for path, answers, method, model, summary, more in (
        (PATH, one.listed, "GET", KeysBody, "Keys", all_keys),
        (PATH, one.create, "POST", MadeBody, "Make a key", {**all_keys, **_body(_CREATE)}),
        (ROTATED, one.rotate, "POST", MadeBody, "Replace a key", {**of_key, **_body(_ROTATE)}),
        (OF_KEY, one.revoke, "DELETE", HeededBody, "Revoke a key", of_key),
    ):
        status = 201 if method == "POST" else 200
        routes.add_api_route(
            path, answers, methods=[method], response_model=model, status_code=status, summary=summary, **more
        )
    return routes


_SCOPES: dict[str, Scope] = {"w": "write", "b": "beacon", "r": "read", "o": "oncall", "a": "admin"}


def _check(asked: CreateBody) -> None:
    if asked.scope == "beacon" and not asked.origins:
        raise Problem(400, "invalid_origins", "origins: a key of scope beacon needs those of its pages")
    if not is_name(asked.name):
        raise Problem(400, "invalid_name", f"name: at most {MAX_NAME} characters that can be seen")
    for text in asked.origins:
        try:
            origin_of(text)
        except Misconfigured as error:
            raise Problem(
                400, "invalid_origins", "origins: each must be like https://shop.example"
            ) from error


def _unknown() -> Problem:
    return Problem(404, "unknown_key", "key_id: names no key that is good; GET /v1/keys lists them")


def _made(key: str, scope: Scope) -> Response:
    return _private({"key": key, "prefix": key[:PREFIX_LENGTH], "scope": scope}, 201)


def _shown(key: Key, now: datetime) -> dict[str, Any]:
    over = key.revoked_at is not None and key.revoked_at <= now
    return {
        "id": key.id, "name": key.key_name, "scope": key.scope, "origins": list(key.origins), "prefix": key.prefix,
        "state": "revoked" if over else "rotated" if key.rotated_at else "live", "made_ms": ms_of(key.created_at),
        "last_used_ms": _ms(key.last_used_at), "ends_ms": _ms(key.revoked_at),
    }  # fmt: skip


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else ms_of(instant)


def _private(body: dict[str, Any], status: int = 200) -> Response:
    made = answer(body, status)
    made.headers["cache-control"] = "no-store"
    return made


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object", **schema}}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}
