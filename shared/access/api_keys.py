"""API keys in Postgres: made, listed, rotated and revoked, by whoever may. Postgres holds a key's hash alone.

A key ends when it is revoked, or at the time that its rotation has set: `revoked_at` may lie ahead. A gateway that
hears of a change heeds it at once, any other within a minute. All raise as Postgres does but for `Misconfigured`.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from shared.errors import Misconfigured
from shared.postgres.connections import AnyConnection

Scope: TypeAlias = Literal["write", "beacon", "read", "oncall", "admin"]

PREFIX_LENGTH = 9
"""How much of a key is kept readable, so that its owner can tell which one it is."""

ID_DIGITS = 16
"""Hexadecimal digits of a key's hash that name it."""

MAX_ORIGINS = 20
"""Origins of a key."""

MAX_NAME = 80
"""Characters of what its owner calls a key."""

_INSERT = """
INSERT INTO api_key (key_hash, tenant_id, scope, prefix, origins, key_name)
SELECT $1, tenant_id, $3, $4, $5, $6 FROM tenant WHERE name = $2
ON CONFLICT (key_hash) DO NOTHING"""

LIST = """
SELECT name, prefix, scope, origins, k.created_at, last_used_at, rotated_at, revoked_at, key_hash, key_name
FROM api_key k JOIN tenant USING (tenant_id)
WHERE $1 = '' OR name = $1 ORDER BY name, k.created_at, prefix"""

LIST_OF_TENANT = """
SELECT name, prefix, scope, origins, k.created_at, last_used_at, rotated_at, revoked_at, key_hash, key_name
FROM api_key k JOIN tenant USING (tenant_id) WHERE tenant_id = $1 ORDER BY k.created_at DESC, prefix LIMIT $2"""

_LIVE = """
SELECT key_hash, name, scope, origins, rotated_at, key_name FROM api_key JOIN tenant USING (tenant_id)
WHERE (prefix = $1 OR key_hash = $2) AND (revoked_at IS NULL OR revoked_at > now()) FOR UPDATE OF api_key"""
"""One that is given by its beginning, or whole."""

_LIVE_OF_TENANT = """
SELECT key_hash, name, scope, origins, rotated_at, key_name FROM api_key JOIN tenant USING (tenant_id)
WHERE tenant_id = $1 AND encode(key_hash, 'hex') LIKE $2 || '%'
    AND (revoked_at IS NULL OR revoked_at > now()) FOR UPDATE OF api_key"""
"""One that is given by its id."""

_ROTATED = """
UPDATE api_key SET rotated_at = now(), revoked_at = now() + make_interval(secs => $2) WHERE key_hash = $1"""
"""Null: it does not end by itself."""

_REVOKE = "UPDATE api_key SET revoked_at = now() WHERE key_hash = $1"


class Key(NamedTuple):
    """A key as an operator sees it."""

    tenant: str
    prefix: str
    scope: str
    origins: Sequence[str]
    created_at: datetime
    last_used_at: datetime | None
    rotated_at: datetime | None
    revoked_at: datetime | None
    """When it ends, or has ended."""
    key_hash: bytes = b""
    key_name: str = ""

    @property
    def id(self) -> str:
        """What names it."""
        return self.key_hash.hex()[:ID_DIGITS]


class LiveKey(NamedTuple):
    """A key that is good, locked until the end of the transaction."""

    key_hash: bytes
    tenant: str
    scope: Scope
    origins: Sequence[str]
    rotated_at: datetime | None
    key_name: str = ""


def new_key(scope: Scope) -> str:
    """A key of 256 random bits that tells its scope by its third letter.

    Letters, digits and `_` alone, as the address (DSN) of a Sentry client demands of its key.
    """
    return f"tg_{scope[0]}_{secrets.token_hex(32)}"


def origin_of(text: str) -> str:
    """An origin as browsers write it; raise `Misconfigured` for anything else."""
    try:
        parts = urlsplit(text.rstrip("/"))
        wrong = not parts.hostname or (parts.port or 1) < 1
    except ValueError:
        wrong = True
    if wrong or parts.scheme not in ("http", "https") or parts.path or parts.query or parts.username:
        raise Misconfigured(
            f"{text!r} is no origin: it must be like https://shop.example or http://localhost:3000"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_name(text: str) -> bool:
    """Whether a key may be called so."""
    return len(text) <= MAX_NAME and text.isprintable()


async def insert(
    conn: AnyConnection,
    tenant: str,
    key: str,
    scope: Scope,
    origins: Sequence[str] = (),
    *,
    key_name: str = "",
) -> None:
    """Let a key open a tenant that there is. Raises `Misconfigured` for origins and names that are none."""
    if not is_name(key_name):
        raise Misconfigured(f"the name of a key has at most {MAX_NAME} characters that can be seen")
    if scope == "beacon" and not origins:
        raise Misconfigured(
            "a key of scope beacon needs the origins of its pages: --origin https://shop.example"
        )
    digest = hashlib.sha256(key.encode("ascii")).digest()
    written = list(map(origin_of, origins))
    await conn.execute(_INSERT, digest, tenant, scope, key[:PREFIX_LENGTH], written, key_name)


async def live(conn: AnyConnection, prefix: str) -> LiveKey:
    """The live key that begins so, or is this one. Raises `Misconfigured` for none, or several."""
    found = await conn.fetch(_LIVE, prefix, hashlib.sha256(prefix.encode()).digest())
    if len(found) != 1:
        many = f"{len(found)} live keys begin" if found else "no live key begins"
        raise Misconfigured(f"{many} with {prefix!r}: `tidegauge key list` shows how they begin")
    return LiveKey(*found[0])


async def live_of_tenant(conn: AnyConnection, tenant_id: int, key_id: str) -> LiveKey | None:
    """The live key of a tenant with this id; None: there is none, or what is given is no id."""
    if len(key_id) != ID_DIGITS or not set(key_id) <= set("0123456789abcdef"):
        return None
    found = await conn.fetch(_LIVE_OF_TENANT, tenant_id, key_id)
    return LiveKey(*found[0]) if len(found) == 1 else None


async def rotate(conn: AnyConnection, old: LiveKey, keep_s: float | None = None) -> str:
    """A successor with the same rights; both are good, for `keep_s` or until the old one is revoked."""
    key = new_key(old.scope)
    await insert(conn, old.tenant, key, old.scope, old.origins, key_name=old.key_name)
    await conn.execute(_ROTATED, old.key_hash, keep_s)
    return key


async def revoke(conn: AnyConnection, old: LiveKey) -> None:
    """It opens nothing any more."""
    await conn.execute(_REVOKE, old.key_hash)


def fields_of(row: Any) -> Key:
    """A row of `LIST` or `LIST_OF_TENANT`."""
    return Key(*row)
