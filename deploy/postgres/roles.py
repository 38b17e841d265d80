"""The roles of Postgres that services and readers sign in as, each with what it needs and no more.

The role that migrates owns the tables. A right that a service needs stands in `GRANTS` alone; `apply` makes the rights
equal to it, however often it is called. Roles belong to the whole cluster, rights to one database.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from shared.errors import Misconfigured
from shared.postgres import connections
from shared.postgres.connections import AnyConnection

_READ = "SELECT"
_ADD = "SELECT, INSERT, UPDATE"
_KEEP = "SELECT, INSERT, UPDATE, DELETE"

_KEYS = "SELECT, UPDATE (last_used_at)"

_CHANGED_KEYS = (
    "SELECT, INSERT (key_hash, tenant_id, scope, prefix, origins, key_name), "
    "UPDATE (last_used_at, rotated_at, revoked_at)"
)
"""Of the process that admins change keys at: what a key opens, and for whom, is never changed."""

_PUMP = {
    "partition_state": _ADD,
    "breaker": _ADD,
    "ledger_1m": _ADD,
    "dead_letter": _KEEP,
    "worker_death": _KEEP,
    "skipped_record": _KEEP,
    "retention": _READ,
    "installation": _READ,
    "migration": _READ,
}
"""What everybody needs who consumes."""

_ROLLUPS = ("rollup_10s", "rollup_1m", "rollup_15m")
_GROUPS = ("rollup_group_10s", "rollup_group_1m", "rollup_group_15m", "merged_group_15m")

GRANTS: Mapping[str, Mapping[str, str]] = {
    "intake": {
        **dict.fromkeys(("tenant", "installation", "partition_state", "breaker", "migration"), _READ),
        "api_key": _KEYS,
    },
    "query": {
        **dict.fromkeys(
            ("tenant", "series", *_ROLLUPS, *_GROUPS, "prepared_group", "event", "funnel_entry", "alert_instance",
             "alert_event", "batch_id", "ledger_1m", "partition_state", "breaker", "migration", "archive_file",
             "archive_day", "retention", "installation"),
            _READ,
        ),
        "api_key": _CHANGED_KEYS,
        "silence": "SELECT, INSERT, UPDATE (starts_at, ends_at, expired_at, expired_by)",
        "alert_note": "SELECT, INSERT",
        "notification": "SELECT (receiver)",
    },
    "ingest": {**_PUMP, "event": _ADD, "event_id": _ADD, "funnel_entry": _KEEP},
    "aggregator": {
        **_PUMP,
        **dict.fromkeys((*_ROLLUPS, *_GROUPS), _ADD),
        "prepared_group": _KEEP,
        "series": _KEEP,
        "series_collision": _ADD,
        "topic_setting": _READ,
        "open_window": _ADD,
        "batch_id": _KEEP,
    },
    "alerts": {
        **_PUMP,
        **dict.fromkeys(
            ("alert_instance", "alert_event", "alert_window", "alert_coverage", "alert_outbox", "notification",
             "silence", "alert_note"),
            _KEEP,
        ),
    },
    "archive": {
        **dict.fromkeys(("series", "rollup_1m", "rollup_15m", "event", "partition_state", "retention"), _READ),
        **dict.fromkeys(("archive_file", "archive_day"), _KEEP),
    },
    "reader": dict.fromkeys(
        ("readable_tenant", "metric_series", "window_10s", "window_1m", "window_15m", "ledger", "performance_metric",
         "api_response_time", "user_event", "conversion_funnel", "performance_alert"),
        _READ,
    ),
}  # fmt: skip
"""Rights by role and table: a role for each service, one for the archive, and one for people who ask in SQL. Partitions
need none.

Readers have views alone, which hold the rows of the tenants that a login is bound to.
"""

UNGRANTED = frozenset({"reader_login"})
"""Tables that nobody but their owner may read."""

FUNCTIONS = ("prepare_partitions(text)", "expire_partition(text)")
"""Functions that act with their owner's rights."""

KEEPERS = ("ingest", "aggregator")
"""Roles that may call them: those whose tables are partitioned."""

READER_SETTINGS = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
}
"""People's questions end by themselves."""

LOCK = 0x7469_6465_726F_6C65
"""Key of the advisory lock: "tiderole" in ASCII."""

_CREATE = """
DO $$ BEGIN
    CREATE ROLE {name} LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

_EXISTING = "SELECT rolname FROM pg_roles WHERE rolname = ANY($1)"

_GRANTED = """
SELECT DISTINCT format('%I', c.relname) FROM pg_class c CROSS JOIN LATERAL (
    SELECT grantee FROM aclexplode(c.relacl)
    UNION ALL
    SELECT acl.grantee FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS acl WHERE a.attrelid = c.oid
) AS acl
WHERE acl.grantee = $1::text::regrole AND c.relnamespace = current_schema()::regnamespace
"""
"""Tables with a right to all of it or to some columns."""


def name_of(role: str) -> str:
    """The name of a role in Postgres."""
    return f"tidegauge_{role}"


def address_of(dsn: str, role: str, password: str) -> str:
    """The address under which a role signs in where `dsn` leads."""
    parts = urlsplit(dsn)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name_of(role)}:{quote(password, safe='')}@{place}"))


async def apply(dsn: str, passwords: Mapping[str, str]) -> list[str]:
    """Make the roles that are missing, give passwords by role, and grant; the names of the roles.

    Raises `Unavailable`, and `Misconfigured` with what to do when the user of the address may not make roles.
    """
    async with connections.single(dsn, command_s=30) as conn:
        await _make(conn, passwords)
        await _grant(conn, list(GRANTS))
    return [name_of(role) for role in GRANTS]


async def grant(dsn: str) -> list[str]:
    """Grant what the present tables need to those of the roles that exist; their names. Raises `Unavailable`."""
    async with connections.single(dsn, command_s=30) as conn:
        rows = await conn.fetch(_EXISTING, list(map(name_of, GRANTS)))
        existing = {row["rolname"] for row in rows}
        roles = [role for role in GRANTS if name_of(role) in existing]
        await _grant(conn, roles)
    return [name_of(role) for role in roles]


def statements(role: str, password: str | None) -> Sequence[str]:
    """SQL that makes a role; an administrator of the cluster may run it in our place."""
    name = name_of(role)
    made = [_CREATE.format(name=name).strip()]
    if password is not None:
        quoted = password.replace("'", "''")
        made.append(f"ALTER ROLE {name} PASSWORD '{quoted}'")
    if role == "reader":
        made += settings_of(name)
    return made


def settings_of(name: str) -> list[str]:
    """SQL that makes the questions of a login for readers end by themselves: settings are not inherited."""
    return [f"ALTER ROLE {name} SET {key} = '{value}'" for key, value in READER_SETTINGS.items()]


async def make_reader(conn: AnyConnection) -> None:
    """Make the role that all readers belong to, if it is missing, and give it its rights; raises as Postgres does."""
    if not await conn.fetch(_EXISTING, [name_of("reader")]):
        for statement in statements("reader", None):
            await conn.execute(statement)
    await _grant(conn, ["reader"])


async def _make(conn: Any, passwords: Mapping[str, str]) -> None:
    try:
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            for role in GRANTS:
                for statement in statements(role, passwords.get(role)):
                    await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError as problem:
        lines = "".join(f"  CREATE ROLE {name_of(role)} LOGIN PASSWORD '…';\n" for role in GRANTS)
        raise Misconfigured(
            f"this user may not make roles ({problem}). Let an administrator of the cluster run\n{lines}"
            "and then `tidegauge migrate`, which grants what each needs; or let all services use this user"
        ) from problem


async def _grant(conn: Any, roles: Sequence[str]) -> None:
    """In one transaction: nobody sees a role that lacks what it had and is to have."""
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        for role in roles:
            name, wanted = name_of(role), GRANTS[role]
            for row in await conn.fetch(_GRANTED, name):
                await conn.execute(f"REVOKE ALL ON TABLE {row[0]} FROM {name}")
            for table, rights in wanted.items():
                await conn.execute(f"GRANT {rights} ON TABLE {table} TO {name}")
            if role in KEEPERS:
                await conn.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO {name}")
