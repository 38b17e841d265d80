"""API keys as an operator handles them: made, listed, rotated and revoked, at an address of Postgres.

A gateway that hears of it heeds a change within a second, any other within a minute.
"""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

from shared.access import api_keys
from shared.access.api_keys import PREFIX_LENGTH, Key, Scope, new_key, origin_of
from shared.errors import Misconfigured
from shared.postgres import connections, installation
from shared.postgres.instants import at
from shared.runtime.clock import now_ms

__all__ = [
    "PREFIX_LENGTH",
    "Key",
    "Scope",
    "create",
    "login_link",
    "new_key",
    "origin_of",
    "read_all",
    "revoke",
    "rotate",
    "table",
]

_TENANT = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"


async def create(
    dsn: str, tenant: str, key: str, scope: Scope, origins: Sequence[str] = (), *, key_name: str = ""
) -> None:
    """Let a key open a tenant, which is made where it is new. Raises `Misconfigured`, `Unavailable`."""
    if not tenant:
        raise Misconfigured("a tenant needs a name")
    async with connections.single(dsn) as conn, conn.transaction():
        await conn.execute(_TENANT, tenant)
        await api_keys.insert(conn, tenant, key, scope, origins, key_name=key_name)


async def read_all(dsn: str, tenant: str = "") -> list[Key]:
    """The keys of a tenant, or of all. Raises `Unavailable`."""
    async with connections.single(dsn) as conn:
        return list(map(api_keys.fields_of, await conn.fetch(api_keys.LIST, tenant)))


async def rotate(dsn: str, prefix: str) -> str:
    """A successor of a live key, with the same rights; both are good from now on.

    Raises `Misconfigured` when no live key, or several, begin so, or it has a successor; and `Unavailable`.
    """
    async with connections.single(dsn) as conn, conn.transaction():
        found = await api_keys.live(conn, prefix)
        if found.rotated_at is not None:
            raise Misconfigured(f"{prefix} has a successor: revoke it first, `tidegauge key revoke {prefix}`")
        return await api_keys.rotate(conn, found)


async def revoke(dsn: str, prefix: str) -> None:
    """A key opens nothing any more. Raises `Misconfigured` as `rotate` does, and `Unavailable`."""
    async with connections.single(dsn) as conn, conn.transaction():
        await api_keys.revoke(conn, await api_keys.live(conn, prefix))


async def login_link(dsn: str, cache: str, url: str, prefix: str) -> str:
    """A link to the page at this address that logs in once, with the live key that begins so, or is this one.

    Raises `Misconfigured` as `rotate` does, and where the key may not read; and `Unavailable`.
    """
    # An installation of the command line alone has no client of Redis.
    from shared.access import logins  # noqa: PLC0415
    from shared.runtime import redis  # noqa: PLC0415

    async with connections.single(dsn) as conn:
        found = await api_keys.live(conn, prefix)
        if found.scope not in {"read", "oncall", "admin"}:
            raise Misconfigured(
                f"{prefix[:PREFIX_LENGTH]}… has scope {found.scope}: the page needs read, oncall or admin"
            )
        secret = await installation.secret_of(conn)
    async with aclosing(redis.client(cache)) as client:
        token = await logins.make(client, secret, found.key_hash, now_ms())
    return f"{url.rstrip('/')}/ui/login?once={token}"


def table(keys: Sequence[Key]) -> list[str]:
    """A line for each key, under a heading."""
    lines = [("tenant", "key", "name", "scope", "state", "last used", "origins")]
    lines += [
        (
            each.tenant,
            f"{each.prefix}…",
            each.key_name or "-",
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
    over = key.revoked_at is not None and key.revoked_at <= at(now_ms())
    return "revoked" if over else "rotated" if key.rotated_at else "live"


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "-"
