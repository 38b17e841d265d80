"""The API key of a request: which header holds it, which scope it grants, which tenant it belongs to.

A key is never stored or logged, only its SHA-256.
"""

from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import parse_qsl

from fastapi import Security
from fastapi.security import HTTPBearer

from services.gateway.auth.key_cache import ApiKey, KeyCache
from services.gateway.http.problems import Problem, unauthorised
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s

KEY = Security(HTTPBearer(auto_error=False, description="An API key; `X-API-Key` works as well"))
"""Says in the documentation that a route wants a key; `holder_of` is what looks at it."""

MAX_KEY_BYTES = 512
"""Longest key that is looked at."""


def key_of(headers: Iterable[tuple[bytes, bytes]], query: bytes = b"") -> bytes:
    """The key of a request, from the query only where it is given; raise `Problem` for none, or two that differ."""
    keys = set[bytes]()
    if query:
        keys = {value.encode() for name, value in parse_qsl(query.decode("latin-1")) if name == "key"}
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.strip())
        elif name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            keys.add(rest.strip() if scheme.lower() == b"bearer" else b"")
    if len(keys) > 1:
        raise Problem(400, "two_keys", "Authorization, X-API-Key and key hold different keys")
    key = keys.pop() if keys else b""
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise unauthorised()
    return key


async def api_key_of(key_cache: KeyCache, key: bytes, scope: str) -> ApiKey:
    """Who bears the key; raise `Problem` unless it is known and its scope is `scope` or `admin`."""
    key_hash = sha256(key).digest()
    api_key = key_cache.known(key_hash, monotonic_s())
    if api_key is None:
        try:
            api_key = await key_cache.find(key_hash, monotonic_s())
        except Unavailable as error:
            raise Problem(503, "unavailable", "keys cannot be looked up now", 1, "not_accepted") from error
    if api_key is None:
        raise unauthorised()
    if api_key.grant.scope not in (scope, "admin"):
        raise Problem(403, "forbidden", f"the key's scope is not '{scope}'")
    return api_key
