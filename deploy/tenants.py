"""Tenants: their keys and their limits. Postgres holds a key's hash; the key itself is shown once.

Limits are points a second and active series; each gateway applies a change within a minute.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from shared.errors import Misconfigured
from shared.postgres import connections

Scope: TypeAlias = Literal["write", "read", "admin"]

PREFIX_LENGTH = 9
"""How much of a key is kept readable, so that its owner can tell which one it is."""

_TENANT = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"

_KEY = """
INSERT INTO api_key (key_hash, tenant_id, scope, prefix)
SELECT $1, tenant_id, $3, $4 FROM tenant WHERE name = $2
ON CONFLICT (key_hash) DO NOTHING"""

_READ_ALL = """
SELECT name, points_per_s, points_burst, max_series,
       ARRAY(SELECT prefix || '… ' || scope FROM api_key k WHERE k.tenant_id = t.tenant_id ORDER BY prefix) AS keys
FROM tenant t ORDER BY name"""

_LIMIT = """
UPDATE tenant SET points_per_s = coalesce($2, points_per_s), points_burst = coalesce($3, points_burst),
                  max_series = coalesce($4, max_series)
WHERE name = $1 RETURNING name"""


class Tenant(NamedTuple):
    """A tenant as an operator sees it."""

    name: str
    points_per_s: float
    points_burst: float
    max_series: int
    keys: Sequence[str]
    """Of each key what is kept readable, and its scope."""


class Change(NamedTuple):
    """Limits to be; None leaves one as it is."""

    points_per_s: int | None = None
    points_burst: int | None = None
    max_series: int | None = None


def new_key(scope: Scope) -> str:
    """A key of 256 random bits that tells its scope by its third letter."""
    return f"tg_{scope[0]}_{secrets.token_urlsafe(32)}"


async def store(dsn: str, tenant: str, keys: Mapping[str, Scope]) -> None:
    """Make the tenant, where it is new, and let these keys open it. Raises `Misconfigured`, `Unavailable`."""
    if not tenant:
        raise Misconfigured("a tenant needs a name")
    async with connections.single(dsn) as connection, connection.transaction():
        await connection.execute(_TENANT, tenant)
        for key, scope in keys.items():
            digest = hashlib.sha256(key.encode("ascii")).digest()
            await connection.execute(_KEY, digest, tenant, scope, key[:PREFIX_LENGTH])


async def read_all(dsn: str) -> list[Tenant]:
    """All tenants by name. Raises `Unavailable`."""
    async with connections.single(dsn) as connection:
        return [Tenant(*row) for row in await connection.fetch(_READ_ALL)]


async def limit(dsn: str, tenant: str, change: Change) -> None:
    """Change limits of a tenant. Raises `Misconfigured` when there is none of that name, and `Unavailable`."""
    async with connections.single(dsn) as connection:
        if await connection.fetchval(_LIMIT, tenant, *change) is None:
            raise Misconfigured(f"there is no tenant {tenant!r}: `tidegauge tenant list` names them")


def table(tenants: Sequence[Tenant]) -> list[str]:
    """A line for each tenant, under a heading."""
    lines = [("tenant", "points/s", "burst", "series", "keys")]
    lines += [
        (each.name, f"{each.points_per_s:,.10g}", f"{each.points_burst:,.10g}", f"{each.max_series:,}", keys)
        for each in tenants
        for keys in [", ".join(each.keys) or "none"]
    ]
    width = max(len(line[0]) for line in lines)
    return [
        f"{name:{width}}  {rate:>12}  {burst:>12}  {most:>10}  {keys}"
        for name, rate, burst, most, keys in lines
    ]
