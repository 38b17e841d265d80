"""Tenants and their limits: points a second and active series. Each gateway applies a change within a minute."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.errors import Misconfigured
from shared.postgres import connections

_READ_ALL = """
SELECT name, points_per_s, points_burst, max_series,
       ARRAY(SELECT prefix || '… ' || scope FROM api_key k
             WHERE k.tenant_id = t.tenant_id AND revoked_at IS NULL ORDER BY prefix) AS keys
FROM tenant t ORDER BY name"""

_LIMIT = """
UPDATE tenant SET points_per_s = coalesce($2, points_per_s), points_burst = coalesce($3, points_burst),
                  max_series = coalesce($4, max_series)
WHERE name = $1 RETURNING name"""


_SCRUB = "UPDATE tenant SET scrub = $2 WHERE name = $1 RETURNING name"

SWITCHES = ("keys", "token", "email", "card", "phone", "ip", "url", "path", "user")
"""What can be taken out of a tenant's events, as the table and the gateway know it."""


DEFAULT = "default"
"""Stands for what is taken out of the events of a tenant of which nobody has said anything."""

SCRUBBED = tuple(each for each in SWITCHES if each != "user")
"""What that is, as the table has it."""


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


async def read_all(dsn: str) -> list[Tenant]:
    """All tenants by name. Raises `Unavailable`."""
    async with connections.single(dsn) as connection:
        return [Tenant(*row) for row in await connection.fetch(_READ_ALL)]


async def limit(dsn: str, tenant: str, change: Change) -> None:
    """Change limits of a tenant. Raises `Misconfigured` when there is none of that name, and `Unavailable`."""
    async with connections.single(dsn) as connection:
        if await connection.fetchval(_LIMIT, tenant, *change) is None:
            raise Misconfigured(f"there is no tenant {tenant!r}: `tidegauge tenant list` names them")


async def scrub(dsn: str, tenant: str, switches: Sequence[str]) -> None:
    """Have these taken out of a tenant's events, and nothing else. Raises as `limit` does, and for one that is none."""
    if DEFAULT in switches:
        switches = [*SCRUBBED, *(each for each in switches if each not in (DEFAULT, *SCRUBBED))]
    if unknown := [each for each in switches if each not in SWITCHES]:
        raise Misconfigured(f"{unknown[0]!r} is none of {', '.join((*SWITCHES, DEFAULT))}")
    async with connections.single(dsn) as connection:
        if await connection.fetchval(_SCRUB, tenant, list(switches)) is None:
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
