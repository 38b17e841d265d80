"""API keys as an operator handles them: made, listed, rotated and revoked. Postgres holds a key's hash alone.

A gateway that hears of it heeds a change within a second, any other within a minute.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from shared.errors import Misconfigured
from shared.postgres import connections
from shared.postgres.connections import AnyConnection

Scope: TypeAlias = Literal["write", "beacon", "read", "admin"]

PREFIX_LENGTH = 9
"""How much of a key is kept readable, so that its owner can tell which one it is."""

_INSERT = """
INSERT INTO api_key (key_hash, tenant_id, scope, prefix, origins)
SELECT $1, tenant_id, $3, $4, $5 FROM tenant WHERE name = $2
ON CONFLICT (key_hash) DO NOTHING"""

_TENANT = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"

_LIST = """
SELECT name, prefix, scope, origins, k.created_at, last_used_at, rotated_at, revoked_at
FROM api_key k JOIN tenant USING (tenant_id)
WHERE $1 = '' OR name = $1 ORDER BY name, k.created_at, prefix"""

_LIVE = """
SELECT key_hash, name, scope, origins, rotated_at FROM api_key JOIN tenant USING (tenant_id)
WHERE (prefix = $1 OR key_hash = $2) AND revoked_at IS NULL FOR UPDATE OF api_key"""
"""One that is given by its beginning, or whole."""

_ROTATED = "UPDATE api_key SET rotated_at = now() WHERE key_hash = $1"

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


def new_key(scope: Scope) -> str:
    """A key of 256 random bits that tells its scope by its third letter.

    Letters, digits and `_` alone, as the address (DSN) of a Sentry client demands of its key.
    """
    return f"tg_{scope[0]}_{secrets.token_hex(32)}"


def origin_of(text: str) -> str:
    """An origin as browsers write it; raise `Misconfigured` for anything else."""
    parts = urlsplit(text.rstrip("/"))
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.username
    ):
        raise Misconfigured(
            f"{text!r} is no origin: it must be like https://shop.example or http://localhost:3000"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


async def create(dsn: str, tenant: str, key: str, scope: Scope, origins: Sequence[str] = ()) -> None:
    """Let a key open a tenant, which is made where it is new. Raises `Misconfigured`, `Unavailable`."""
    if not tenant:
        raise Misconfigured("a tenant needs a name")
    if scope == "beacon" and not origins:
        raise Misconfigured(
            "a key of scope beacon needs the origins of its pages: --origin https://shop.example"
        )
    async with connections.single(dsn) as conn, conn.transaction():
        await conn.execute(_TENANT, tenant)
        await _insert(conn, tenant, key, scope, list(map(origin_of, origins)))


async def read_all(dsn: str, tenant: str = "") -> list[Key]:
    """The keys of a tenant, or of all. Raises `Unavailable`."""
    async with connections.single(dsn) as conn:
        return [Key(*row) for row in await conn.fetch(_LIST, tenant)]


async def rotate(dsn: str, prefix: str) -> str:
    """A successor of a live key, with the same rights; both are good from now on.

    Raises `Misconfigured` when no live key, or several, begin so, or it has a successor; and `Unavailable`.
    """
    async with connections.single(dsn) as conn, conn.transaction():
        found = await _live(conn, prefix)
        if found["rotated_at"] is not None:
            raise Misconfigured(f"{prefix} has a successor: revoke it first, `tidegauge key revoke {prefix}`")
        key = new_key(found["scope"])
        await _insert(conn, found["name"], key, found["scope"], found["origins"])
        await conn.execute(_ROTATED, found["key_hash"])
    return key


async def revoke(dsn: str, prefix: str) -> None:
    """A key opens nothing any more. Raises `Misconfigured` as `rotate` does, and `Unavailable`."""
    async with connections.single(dsn) as conn, conn.transaction():
        await conn.execute(_REVOKE, (await _live(conn, prefix))["key_hash"])


async def _insert(conn: AnyConnection, tenant: str, key: str, scope: str, origins: Sequence[str]) -> None:
    digest = hashlib.sha256(key.encode("ascii")).digest()
    await conn.execute(_INSERT, digest, tenant, scope, key[:PREFIX_LENGTH], origins)


async def _live(conn: AnyConnection, prefix: str) -> Any:
    found = await conn.fetch(_LIVE, prefix, hashlib.sha256(prefix.encode()).digest())
    if len(found) != 1:
        many = f"{len(found)} live keys begin" if found else "no live key begins"
        raise Misconfigured(f"{many} with {prefix!r}: `tidegauge key list` shows how they begin")
    return found[0]


def table(keys: Sequence[Key]) -> list[str]:
    """A line for each key, under a heading."""
    lines = [("tenant", "key", "scope", "state", "last used", "origins")]
    lines += [
        (
            each.tenant,
            f"{each.prefix}…",
            each.scope,
            _state(each),
            _day(each.last_used_at),
            " ".join(each.origins),
        )
        for each in keys
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _state(key: Key) -> str:
    return "revoked" if key.revoked_at else "rotated" if key.rotated_at else "live"


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "-"
