"""Logins of Postgres for people and tools that ask in SQL: each is bound to tenants, and sees no row of another.

Spans are hours. The name of a login says nothing of its tenants, for every role of a cluster sees all names. Invariant:
what a login reads stands in the table `reader_login` alone, which it can neither read nor change.
"""

import contextlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from deploy.postgres import roles
from shared.errors import Misconfigured
from shared.postgres import connections

CONNECTIONS = 10
"""Connections that a login may have at once: questions of one tenant leave the others theirs."""

GROUP = roles.name_of("reader")
"""The role that all of them belong to, and may be one itself."""

_MADE = "reader_"
"""How the names of those begin that were made here, behind what all our roles begin with."""

_CREATE = """
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT %s VALID UNTIL %L IN ROLE %I', $1::text, $2::text,
              $3::integer, coalesce((now() + $4 * interval '1 hour')::text, 'infinity'), $5::text)
"""

_QUOTED = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1"

_UNKNOWN = "SELECT each FROM unnest($1::text[]) AS each WHERE each NOT IN (SELECT name FROM tenant) LIMIT 1"

_BIND = "INSERT INTO reader_login (role, tenant_id) SELECT $1, tenant_id FROM tenant WHERE name = ANY ($2)"

_UNBIND = "DELETE FROM reader_login WHERE role = $1 RETURNING role"

_END_SESSIONS = "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE usename = $1"

_LIST = """
SELECT l.role::text, array_agg(t.name ORDER BY t.name), min(l.bound_at), nullif(p.rolvaliduntil, 'infinity'),
       p.oid IS NOT NULL
FROM reader_login l JOIN tenant t USING (tenant_id) LEFT JOIN pg_roles p ON p.rolname = l.role
GROUP BY l.role, p.rolvaliduntil, p.oid ORDER BY min(l.bound_at), l.role
"""

_EXPIRED = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1) AND rolvaliduntil < now()"

_UNBIND_GONE = """
DELETE FROM reader_login WHERE starts_with(role::text, $1) AND role NOT IN (SELECT rolname FROM pg_roles)
"""


class Reader(NamedTuple):
    """A login as an operator sees it."""

    role: str
    tenants: Sequence[str]
    bound_at: datetime
    until: datetime | None
    """Its password is good until then; None: for ever."""
    exists: bool
    """False: an administrator has dropped the role."""


async def create(dsn: str, tenants: Sequence[str], hours: int | None = None) -> str:
    """Make a login that reads these tenants, for so long, and give its address: only here its password can be seen.

    Raises `Misconfigured` for an unknown tenant, and with what to do when the user of the address may not make roles.
    """
    role, password = f"{_MADE}{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    async with connections.single(dsn) as conn:
        await _drop_expired(conn)
        async with conn.transaction():
            await _check(conn, tenants)
            await _make(conn, role, password, hours)
            await conn.execute(_BIND, roles.name_of(role), tenants)
    return roles.address_of(dsn, role, password)


async def bind_login(dsn: str, role: str, tenants: Sequence[str]) -> None:
    """Let a login that exists read these tenants and no others. Raises `Misconfigured` and `Unavailable`."""
    async with connections.single(dsn) as conn, conn.transaction():
        await _check(conn, tenants)
        quoted = await conn.fetchval(_QUOTED, role)
        if quoted is None:
            raise Misconfigured(
                f"there is no role {role!r} in this Postgres: `tidegauge reader create` makes one"
            )
        await roles.make_reader(conn)
        if role != GROUP:
            await conn.execute(f"GRANT {GROUP} TO {quoted}")
        await conn.execute(_UNBIND, role)
        await conn.execute(_BIND, role, tenants)


async def read_all(dsn: str) -> list[Reader]:
    """All logins, the oldest first. Raises `Unavailable`."""
    async with connections.single(dsn) as conn:
        return [Reader(*row) for row in await conn.fetch(_LIST)]


async def drop(dsn: str, role: str) -> None:
    """Let a login read nothing any more; one that `create` made is gone with its sessions.

    Raises as `bind_login` does.
    """
    async with connections.single(dsn) as conn:
        await _drop(conn, role)


async def tenants_of(address: str) -> list[str]:
    """The tenants whose rows one reads who signs in under an address. Raises `Unavailable`."""
    async with connections.single(address) as conn:
        return [
            row["tenant"] for row in await conn.fetch("SELECT tenant FROM readable_tenant ORDER BY tenant")
        ]


async def _check(conn: Any, tenants: Sequence[str]) -> None:
    unknown = await conn.fetchval(_UNKNOWN, tenants)
    if unknown is not None:
        raise Misconfigured(f"there is no tenant {unknown!r}: `tidegauge tenant list` names them")


async def _make(conn: Any, role: str, password: str, hours: int | None) -> None:
    name = roles.name_of(role)
    try:
        async with conn.transaction():
            await roles.make_reader(conn)
            await conn.execute(await conn.fetchval(_CREATE, name, password, CONNECTIONS, hours, GROUP))
            for setting in roles.settings_of(name):
                await conn.execute(setting)
    except asyncpg.InsufficientPrivilegeError as problem:
        raise Misconfigured(
            f"this user may not make roles ({problem}). Let an administrator of the cluster run\n"
            f"  CREATE ROLE {GROUP} LOGIN;\n  CREATE ROLE analyst LOGIN PASSWORD '…' IN ROLE {GROUP};\n"
            "then `tidegauge migrate`, and `tidegauge reader bind analyst --tenant …`"
        ) from problem


async def _drop_expired(conn: Any) -> None:
    """What sessions left behind that were killed, in whatever database of the cluster."""
    begins = roles.name_of(_MADE)
    for row in await conn.fetch(_EXPIRED, begins):
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError, Misconfigured):
            await _drop(conn, row["rolname"])
    await conn.execute(_UNBIND_GONE, begins)


async def _drop(conn: Any, role: str) -> None:
    """First what it may read, by itself, for Postgres may keep a role that still has a session."""
    unbound = await conn.fetchval(_UNBIND, role)
    quoted = await conn.fetchval(_QUOTED, role)
    made = quoted is not None and role.startswith(roles.name_of(_MADE))
    if unbound is None and not made:
        raise Misconfigured(f"no reader is called {role!r}: `tidegauge reader list` names them")
    if made:
        await _remove(conn, role, quoted)
    elif quoted is not None and role != GROUP:
        await conn.execute(f"REVOKE {GROUP} FROM {quoted}")


async def _remove(conn: Any, role: str, quoted: str) -> None:
    # Without the right to end its sessions they end by themselves.
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        await conn.execute(_END_SESSIONS, role)
    try:
        await conn.execute(f"DROP ROLE {quoted}")
    except asyncpg.DependentObjectsStillExistError as problem:
        raise Misconfigured(
            f"{role} reads nothing any more, but has a session open ({problem.detail}): repeat this when it has ended"
        ) from problem


def table(readers: Sequence[Reader]) -> list[str]:
    """A line for each login, under a heading."""
    lines = [("role", "bound", "until", "tenants")]
    lines += [
        (each.role, f"{each.bound_at:%Y-%m-%d}", _until(each), ", ".join(each.tenants)) for each in readers
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _until(reader: Reader) -> str:
    if not reader.exists:
        return "dropped"
    return f"{reader.until:%Y-%m-%d %H:%M}" if reader.until else "-"
