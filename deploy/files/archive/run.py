"""`tidegauge archive run`: writes the days that are closed and not archived yet, each once, and checks those that go.

Times are milliseconds UTC, spans seconds. A day is one transaction: its rows are read under one snapshot, its files
are placed and read back, and then they stand in the catalogue, all at once. A run that is ended before leaves files
that the catalogue does not know: the next one writes the same bytes under the same names, or removes them. Invariant:
however often it is ended, each row of a day is in the archive once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from deploy.files.archive.day import DayFiles, Written
from shared.errors import Misconfigured, Unavailable
from shared.files import catalogue
from shared.files.archive import ARCHIVED, Archived, begin_ms, closed_until, counting, name_of, statement
from shared.files.catalogue import File
from shared.files.store import Store
from shared.ledger import queries
from shared.postgres import connections, planning
from shared.postgres.connections import SingleConnection
from shared.postgres.instants import at, ms_of
from shared.runtime import failpoint

COMMAND_S = 12 * 3600.0
"""Outer bound on one statement: a day of many series is sorted in it."""

LOCK = 0x7469_6465_6172_6368
"""Key of the advisory lock: "tidearch" in ASCII."""

LOCK_S = 30.0
"""How long to wait for another run, or for what is left of one that was ended."""

_SETTINGS = {
    **planning.IN_BULK,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": f"{LOCK_S:.0f}s",
}

_ENABLED = "SELECT table_name, keep FROM retention WHERE archive ORDER BY table_name"

Say = Callable[[str], None]
"""Told of each step."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day that a run has written or looked at."""

    table: str
    day: date
    files: int
    rows: int
    bytes: int


async def run(postgres: str, address: str, prefix: str, say: Say) -> list[Day]:
    """Archive what is closed; the days that were written. Raises `Unavailable`, `Misconfigured`."""
    store = await asyncio.to_thread(Store, address)
    done: list[Day] = []
    async with _alone(postgres) as conn:
        enabled = {row["table_name"]: row["keep"] for row in await conn.fetch(_ENABLED)}
        if not enabled:
            raise Misconfigured(
                "nothing is to be archived: `tidegauge archive enable rollup_15m` says what is"
            )
        for table, keep in enabled.items():
            with store.writing() as folder:
                async for one in _of_table(conn, store, folder, ARCHIVED[table], (prefix, keep)):
                    say(f"{one.table} {one.day}: {one.rows:,} rows in {one.files} files, {one.bytes:,} bytes")
                    done.append(one)
            if removed := await sweep(conn, store, table):
                say(f"{table}: removed {removed} files that are in no catalogue")
    return done


@asynccontextmanager
async def _alone(postgres: str) -> AsyncIterator[SingleConnection]:
    """A connection for long work; nobody else archives meanwhile."""
    async with connections.single(postgres, command_s=COMMAND_S) as conn:
        for name, value in _SETTINGS.items():
            await conn.execute("SELECT set_config($1, $2, false)", name, value)
        await conn.execute("SELECT pg_advisory_lock($1)", LOCK)
        yield conn


async def _of_table(
    conn: SingleConnection, store: Store, folder: Path, archived: Archived, of: tuple[str, timedelta]
) -> AsyncIterator[Day]:
    """Write the days of a table that are closed, oldest first, and look again at those past retention."""
    prefix, keep = of
    oldest: date | None = await conn.fetchval("SELECT oldest_day($1::text::regclass)", archived.table)
    until = await closed_day(conn, archived, prefix)
    if oldest is None or until is None:
        return
    known = await catalogue.days(conn, archived.table)
    due: date = await conn.fetchval("SELECT (now() AT TIME ZONE 'UTC' - $1::interval)::date", keep)
    for day in (oldest + timedelta(days=number) for number in range((until - oldest).days)):
        if day not in known:
            yield await write(conn, store, folder, archived, day)
        if day < due and not known.get(day, False):
            if not await _is_same(conn, archived, day):
                yield await write(conn, store, folder, archived, day)
            await catalogue.mark_checked(conn, archived.table, day)


async def closed_day(conn: SingleConnection, archived: Archived, prefix: str) -> date | None:
    """Days before this cannot change any more; None: it is not known how far time has come."""
    if archived.by_watermark:
        time_ms = await queries.complete_until_ms(conn, queries.topics(prefix)["points"])
    else:
        time_ms = ms_of(await conn.fetchval("SELECT now()"))
    return None if time_ms is None else closed_until(archived, time_ms)


async def write(conn: SingleConnection, store: Store, folder: Path, archived: Archived, day: date) -> Day:
    """Write a day, in place of what the archive has of it."""
    begin, end = begin_ms(day), begin_ms(day + timedelta(days=1))
    async with conn.transaction(isolation="repeatable_read"):
        await conn.execute(f"LOCK TABLE {archived.table} IN ACCESS SHARE MODE")
        files = DayFiles(archived, day, folder)
        failpoint.hit("archive_begun")
        said = await conn.copy_from_query(
            statement(archived), at(begin), at(end), output=files.take, timeout=COMMAND_S, format="csv"
        )
        written = await asyncio.to_thread(files.finish)
        if files.rows != int(said.split()[1]):
            raise Unavailable("the archive", f"{files.rows} rows were written of {said}")
        failpoint.hit("archive_written")
        placed = [await asyncio.to_thread(_placed, store, archived, day, one) for one in written]
        failpoint.hit("archive_verified")
        await catalogue.add(conn, archived.table, day, placed)
        failpoint.hit("archive_noted")
    failpoint.hit("archive_committed")
    return Day(
        archived.table, day, len(placed), sum(one.rows for one in placed), sum(one.bytes for one in placed)
    )


def _placed(store: Store, archived: Archived, day: date, one: Written) -> File:
    """Give a file its name, and read it back. Raises `Unavailable` where it is another one then."""
    name = name_of(archived.table, one.tenant_id, day, one.sha256)
    store.put(one.path, name)
    failpoint.hit("archive_placed")
    found = store.digest(name)
    if found != (one.bytes, one.sha256):
        raise Unavailable("the archive", f"{name} reads back as {found}")
    return File(one.tenant_id, day, name, one.rows, one.revisions, one.bytes, one.sha256)


async def _is_same(conn: SingleConnection, archived: Archived, day: date) -> bool:
    """Whether the table has of a day what the archive has."""
    span = at(begin_ms(day)), at(begin_ms(day + timedelta(days=1)))
    rows = await conn.fetch(counting(archived), *span)
    in_table = {row["tenant_id"]: (row["rows"], row["revisions"]) for row in rows}
    kept = await catalogue.files_of_day(conn, archived.table, day)
    return in_table == {one.tenant_id: (one.rows, one.revisions) for one in kept}


async def sweep(conn: SingleConnection, store: Store, table: str) -> int:
    """Remove the files that the catalogue does not know; how many there were."""
    found = await asyncio.to_thread(store.names, table)
    known = await catalogue.names(conn, table)
    orphans = [name for name in found if name not in known]
    for name in orphans:
        await asyncio.to_thread(store.remove, name)
        failpoint.hit("archive_swept")
    return len(orphans)
