"""Silences in Postgres: made, listed and ended by the gateway, heeded by dispatch.

Milliseconds UTC, by Postgres' clock where it is about now. Rows are history: nothing but an end is ever changed. All
raise as Postgres does.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from shared.alerts.silences.matchers import Matcher, Silence
from shared.postgres.connections import AnyConnection
from shared.postgres.instants import at, ms_of
from shared.postgres.maintenance import Deletion, kept_since

STATES = ("pending", "active", "expired")
"""What a silence can be."""

_STATE = "CASE WHEN ends_at <= now() THEN 'expired' WHEN starts_at > now() THEN 'pending' ELSE 'active' END"

_COLUMNS = f"""silence_id::text, tenant_id, matchers, starts_at, ends_at, author, comment, created_at, expired_at,
    expired_by, {_STATE} AS state"""

ACTIVE = (
    "SELECT silence_id::text, tenant_id, matchers FROM silence WHERE ends_at > now() AND starts_at <= now()"
)
"""Of all tenants; the oldest first, so that of several one is named for as long as it lasts."""

LISTED = f"""
SELECT {_COLUMNS} FROM silence WHERE tenant_id = $1 AND {_STATE} = ANY($2)
ORDER BY ends_at DESC, silence_id LIMIT $3
"""  # noqa: S608  constants of this module

_ONE = f"SELECT {_COLUMNS} FROM silence WHERE tenant_id = $1 AND silence_id::text = $2"  # noqa: S608

_COUNT = "SELECT count(*) FROM silence WHERE tenant_id = $1 AND ends_at > now()"

_INSERT = f"""
INSERT INTO silence (tenant_id, matchers, starts_at, ends_at, author, comment, key_id)
VALUES ($1, $2, greatest($3, now()), $4, $5, $6, $7) RETURNING {_COLUMNS}
"""  # noqa: S608  constants of this module

_EXPIRE = f"""
UPDATE silence SET ends_at = now(), starts_at = least(starts_at, now()), expired_at = now(), expired_by = $3
WHERE tenant_id = $1 AND silence_id::text = $2 AND ends_at > now() RETURNING {_COLUMNS}
"""  # noqa: S608  constants of this module

_OLD = f"""
DELETE FROM silence WHERE silence_id IN (
    SELECT silence_id FROM silence WHERE ends_at < {kept_since("silence")}
    ORDER BY ends_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608  a constant of this module

MAINTENANCE = (Deletion("silence", _OLD),)
"""Removes what is past retention."""


class Stored(NamedTuple):
    """A silence with all that is known of it."""

    silence: Silence
    state: str
    starts_ms: int
    ends_ms: int
    author: str
    comment: str
    created_ms: int
    updated_ms: int
    expired_by: str | None
    """Who ended it before its time."""


class New(NamedTuple):
    """A silence to make."""

    tenant_id: int
    matchers: Sequence[Matcher]
    starts_ms: int
    """In the past: from now on."""
    ends_ms: int
    author: str
    comment: str
    key_id: str


async def active(conn: AnyConnection) -> list[Silence]:
    """Those in force now, of all tenants."""
    return [_silence(row) for row in await conn.fetch(f"{ACTIVE} ORDER BY created_at, silence_id")]


async def listed(conn: AnyConnection, tenant_id: int, states: Sequence[str], limit: int) -> list[Stored]:
    """Those of a tenant in these states, the last to end first."""
    return [_stored(row) for row in await conn.fetch(LISTED, tenant_id, list(states), limit)]


async def one(conn: AnyConnection, tenant_id: int, silence_id: str) -> Stored | None:
    """One of a tenant."""
    row = await conn.fetchrow(_ONE, tenant_id, silence_id)
    return None if row is None else _stored(row)


async def lasting(conn: AnyConnection, tenant_id: int) -> int:
    """How many of a tenant have not ended."""
    return int(await conn.fetchval(_COUNT, tenant_id))


async def insert(conn: AnyConnection, new: New) -> Stored:
    """Make one."""
    matchers = orjson.dumps([asdict(matcher) for matcher in new.matchers]).decode()
    row = await conn.fetchrow(
        _INSERT, new.tenant_id, matchers, at(new.starts_ms), at(new.ends_ms), new.author, new.comment, new.key_id
    )  # fmt: skip
    return _stored(row)


async def expire(conn: AnyConnection, tenant_id: int, silence_id: str, author: str) -> Stored | None:
    """End one now; None: there is none that has not ended."""
    row = await conn.fetchrow(_EXPIRE, tenant_id, silence_id, author)
    return None if row is None else _stored(row)


def _silence(row: Any) -> Silence:
    matchers = tuple(Matcher(**fields) for fields in orjson.loads(row["matchers"]))
    return Silence(row["silence_id"], row["tenant_id"], matchers)


def _stored(row: Any) -> Stored:
    ended: datetime | None = row["expired_at"]
    return Stored(
        _silence(row), row["state"], ms_of(row["starts_at"]), ms_of(row["ends_at"]), row["author"], row["comment"],
        ms_of(row["created_at"]), ms_of(ended or row["created_at"]), row["expired_by"],
    )  # fmt: skip
