"""What is in the archive, as the tables `archive_file` and `archive_day` say.

Days are those of UTC. A day is archived in the transaction in which its rows were read; from the transaction on in
which the tables let go of it, it is *dropped*. Dropped days of a table come before all others.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from shared.files.archive import begin_ms
from shared.postgres.connections import AnyConnection

FILES = """
SELECT tenant_id, day, name, rows, revisions, bytes, encode(sha256, 'hex') AS sha256 FROM archive_file
WHERE table_name = $1 AND tenant_id = $2 AND day >= $3 AND day < $4 ORDER BY day
"""
"""The files of a tenant in a range of days."""

DROPPED = "SELECT max(day) + 1 FROM archive_day WHERE table_name = $1 AND dropped_at IS NOT NULL"
"""The day before which all that was archived is dropped."""

OVERDUE = """
SELECT r.table_name, count(*) FILTER (WHERE a.day IS NULL)::int AS days
FROM retention r
    CROSS JOIN LATERAL generate_series(
        (SELECT min(to_date(right(c.relname, 13), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = r.table_name::regclass AND c.relname ~ '_\\d{8}t\\d{4}$'),
        (now() AT TIME ZONE 'UTC')::date - $1::int, interval '1 day'
    ) AS each (day)
    LEFT JOIN archive_day a ON a.table_name = r.table_name AND a.day = each.day::date
WHERE r.archive GROUP BY r.table_name
"""
"""Days of enabled tables that are so many days old, and not archived."""

OVERDUE_DAYS = 12
"""A day may be archived when it is 10 days old at most (9 behind its end); a run once a day has written it by then."""

FIRST = """
SELECT min(day) FROM (
    SELECT day, day + row_number() OVER (ORDER BY day DESC)::int - 1 AS last FROM archive_day WHERE table_name = $1
) AS days WHERE last = (SELECT max(day) FROM archive_day WHERE table_name = $1)
"""
"""The first of the days that are archived without a gap up to the last: before a gap, days may have gone unarchived."""

_OF_DAY = """
SELECT tenant_id, day, name, rows, revisions, bytes, encode(sha256, 'hex') AS sha256 FROM archive_file
WHERE table_name = $1 AND day = $2 ORDER BY tenant_id
"""

_ADD_FILE = """
INSERT INTO archive_file (table_name, tenant_id, day, name, rows, revisions, bytes, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, decode($8, 'hex'))
"""

_ADD_DAY = """
INSERT INTO archive_day (table_name, day) VALUES ($1, $2)
ON CONFLICT (table_name, day) DO UPDATE SET archived_at = now(), checked_at = NULL
"""

_CHECKED = "UPDATE archive_day SET checked_at = now() WHERE table_name = $1 AND day = $2"

_NAMES = "SELECT name FROM archive_file WHERE table_name = $1"

_DAYS = "SELECT day, checked_at IS NOT NULL AS checked FROM archive_day WHERE table_name = $1 AND dropped_at IS NULL"


class File(NamedTuple):
    """All rows of a tenant and a day of a table."""

    tenant_id: int
    day: date
    name: str
    rows: int
    revisions: int
    bytes: int
    sha256: str


async def files(conn: AnyConnection, table: str, tenant_id: int, since: date, before: date) -> list[File]:
    """The files of a tenant with days in [since, before)."""
    return [File(*row) for row in await conn.fetch(FILES, table, tenant_id, since, before)]


async def files_of_day(conn: AnyConnection, table: str, day: date) -> list[File]:
    """The files of all tenants of a day."""
    return [File(*row) for row in await conn.fetch(_OF_DAY, table, day)]


async def dropped_before_ms(conn: AnyConnection, table: str) -> int:
    """Before this the archive alone has rows of the table; 0: it has none that the table lacks."""
    found: date | None = await conn.fetchval(DROPPED, table)
    return 0 if found is None else begin_ms(found)


async def first_day(conn: AnyConnection, table: str) -> date | None:
    """The day since which every day of the table is in the archive, up to the last one there; None: there is none."""
    found: date | None = await conn.fetchval(FIRST, table)
    return found


async def overdue(conn: AnyConnection) -> dict[str, int]:
    """How many days of each enabled table `tidegauge archive run` should have written by now, and has not."""
    return {row["table_name"]: row["days"] for row in await conn.fetch(OVERDUE, OVERDUE_DAYS)}


def warnings_of(found: dict[str, int]) -> list[str]:
    """A line for each table with such days."""
    return [
        f"{table}: {days} days wait to be archived, and stay in Postgres until then: call `tidegauge archive run` daily"
        for table, days in sorted(found.items())
        if days
    ]


async def names(conn: AnyConnection, table: str) -> set[str]:
    """The files that are in the archive."""
    return {row["name"] for row in await conn.fetch(_NAMES, table)}


async def days(conn: AnyConnection, table: str) -> dict[date, bool]:
    """The archived days that the table still has, and whether each was checked."""
    return {row["day"]: row["checked"] for row in await conn.fetch(_DAYS, table)}


async def add(conn: AnyConnection, table: str, day: date, found: Sequence[File]) -> None:
    """Put a day into the archive, in place of what was there of it."""
    await conn.execute("DELETE FROM archive_file WHERE table_name = $1 AND day = $2", table, day)
    await conn.executemany(_ADD_FILE, [(table, *file) for file in found])
    await conn.execute(_ADD_DAY, table, day)


async def mark_checked(conn: AnyConnection, table: str, day: date) -> None:
    """The rows of a day were compared with the table, past their retention."""
    await conn.execute(_CHECKED, table, day)
