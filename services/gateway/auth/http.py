"""The API key of a request: which header holds it, which scope it grants, which tenant it belongs to.

A key is never stored or logged, only its SHA-256.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from math import ceil
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi import Security
from fastapi.security import HTTPBearer

from services.gateway.auth.key_cache import ApiKey, KeyCache
from services.gateway.auth.ports import SCOPES, Grant
from services.gateway.auth.session import READING, Session, check_page
from services.gateway.http.problems import Problem, unauthorised
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s

BEARER = HTTPBearer(auto_error=False, description="An API key; `X-API-Key` works as well")
"""How a key is sent, in the documentation."""

MAX_KEY_BYTES = 512
"""Longest key that is looked at."""


def key_of(headers: Iterable[tuple[bytes, bytes]], query: bytes = b"", *, basic: bool = False) -> bytes:
    """The key of a request, from the query only where it is given, as a password of `Basic` only where that is said.

    Raise `Problem` for none, or two that differ.
    """
    keys = set[bytes]()
    if query:
        keys = {value.encode() for name, value in parse_qsl(query.decode("latin-1")) if name == "key"}
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.strip())
        elif name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            keys.add(rest.strip() if scheme.lower() == b"bearer" else password_of(value) if basic else b"")
    return only_key(keys, "Authorization, X-API-Key and key")


def password_of(authorization: bytes) -> bytes:
    """The password of `Basic`, empty where there is none; the name of the user plays no part."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return b64decode(rest.strip(), validate=True).partition(b":")[2]
    except Error:
        return b""


def only_key(keys: Collection[bytes], places: str) -> bytes:
    """The one key that was found in these places; raise `Problem` for none, or for two that differ."""
    if len(keys) > 1:
        raise Problem(400, "two_keys", f"{places} hold different keys")
    key = next(iter(keys), b"")
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise unauthorised()
    return key


async def api_key_of(key_cache: KeyCache, key: bytes, scope: str, address: str = "") -> ApiKey:
    """Who bears the key; raise `Problem` unless it is known and its scope grants `scope`.

    `address` is where the request comes from: it may not make up keys without end.
    """
    return await granted(key_cache, sha256(key).digest(), scope, address)


async def granted(key_cache: KeyCache, key_hash: bytes, scope: str, address: str) -> ApiKey:
    """Whose key this is the SHA-256 of; raise `Problem` as `api_key_of` does."""
    api_key = key_cache.known(key_hash, monotonic_s())
    if api_key is None:
        api_key = await _looked_up(key_cache, key_hash, address)
    if api_key is None:
        raise unauthorised()
    if api_key.grant.scope not in SCOPES[scope]:
        raise Problem(403, "forbidden", f"the key's scope does not grant '{scope}'")
    return api_key


async def reader_of(key_cache: KeyCache, scope: Mapping[str, Any]) -> ApiKey:
    """Who asks a question; raise `Problem` as `bearer_of` does."""
    return await bearer_of(key_cache, scope, "read")


async def bearer_of(key_cache: KeyCache, scope: Mapping[str, Any], wanted: str) -> ApiKey:
    """Who asks, by a bearer token, `X-API-Key`, a password or the cookie of a session; raise `Problem` for others.

    By cookie nothing is changed from pages of other origins. A half without sessions knows no cookie.
    """
    return (await asker_of(key_cache, scope, wanted)).api_key


class Asker(NamedTuple):
    """Who asks."""

    key_hash: bytes
    api_key: ApiKey
    expires_ms: int | None
    """When the session ends; None: a key came, and no session."""


async def asker_of(key_cache: KeyCache, scope: Mapping[str, Any], wanted: str) -> Asker:
    """Who asks, as `bearer_of` finds it."""
    headers = scope["headers"]
    session = None if shows_key(headers) else await session_of(key_cache, headers)
    if session is None:
        key_hash, expires_ms = sha256(key_of(headers, basic=True)).digest(), None
    else:
        key_hash, expires_ms = session
        if scope["method"] not in READING:
            check_page(scope)
    return Asker(key_hash, await granted(key_cache, key_hash, wanted, address_of(scope)), expires_ms)


async def session_of(key_cache: KeyCache, headers: Iterable[tuple[bytes, bytes]]) -> Session | None:
    """The session whose cookie a request bears, None for none that is good; raise `Problem` where nobody can know."""
    if key_cache.sessions is None:
        return None
    try:
        return await key_cache.sessions.of(headers)
    except Unavailable as error:
        raise Problem(503, "unavailable", "sessions cannot be looked up now", 1, "not_accepted") from error


def shows_key(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a header says something of a key: no cookie counts then."""
    return any(name in {b"authorization", b"x-api-key"} for name, _ in headers)


async def _looked_up(key_cache: KeyCache, key_hash: bytes, address: str) -> ApiKey | None:
    wait_s = key_cache.wait_s(key_hash, address, monotonic_s())
    if wait_s > 0:
        raise Problem(429, "too_many_unknown_keys", "too many keys came that nobody has", ceil(wait_s))
    try:
        return await key_cache.find(key_hash, monotonic_s(), address)
    except Unavailable as error:
        raise Problem(503, "unavailable", "keys cannot be looked up now", 1, "not_accepted") from error


def address_of(scope: Mapping[str, Any]) -> str:
    """Where a request comes from: the address of its client, or of the proxy before it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def check_origin(grant: Grant, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise `Problem` when a key that is bound to origins comes from elsewhere.

    A server sends no origin; of a page's key that is a beacon's it must be there.
    """
    if not grant.origins:
        return
    origin = origin_of(headers)
    if origin not in grant.origins and (origin or grant.scope == "beacon"):
        raise Problem(403, "forbidden_origin", "Origin: the key is not for pages of this origin")


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The origin of the page that asks, empty where none does."""
    return next((value.decode("latin-1") for name, value in headers if name == b"origin"), "")


def needs(scope: str) -> Any:
    """Says of a route, to those who read its contract, the scope that a key must have; `api_key_of` looks at it."""
    return Security(BEARER, scopes=[scope])


READS = needs("read")
"""What a route that answers questions declares."""
