"""Applies migrations in order, each once, one migrator at a time; `pre` and `post` ones together or apart.

Limits are seconds. Invariant: what was applied is never edited, and a migration is recorded only when all of it was
applied; a changed, missing or unknown file stops everything before anything is applied.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeAlias

import asyncpg
import stamina

from deploy.postgres.files import FOLDER, MigrationFile, read
from shared.errors import Misconfigured, Unavailable
from shared.postgres import schema
from shared.postgres.schema import Migration

LOCK = 0x7469_6465_6761_7567
"""Key of the advisory lock: "tidegaug" in ASCII."""

LOCK_WAIT_S = 60.0
"""How long to wait for another migrator."""

LOCK_TRIES = 10
"""How often a migration is tried that meets a table in use; with pauses, about a minute."""

CONNECT_S = 10.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Phase: TypeAlias = Literal["pre", "post"]

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE migration ADD COLUMN IF NOT EXISTS schema_version integer NOT NULL DEFAULT 1;
"""

_RECORD = "INSERT INTO migration (name, sha256, schema_version) VALUES ($1, $2, $3)"

_INVALID = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"

_IN_USE = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
)


class _OtherMigrator(Exception):
    """Another migrator holds the lock."""


async def migrate(
    dsn: str, folder: Path = FOLDER, phase: Phase | None = None, *, lock_tries: int = LOCK_TRIES
) -> list[str]:
    """Apply what is due and return its names: of one phase what may be applied before the other comes, or all."""
    wanted = read(folder)
    async with _locked(dsn) as conn:
        await conn.execute(_TABLE)
        applied = [Migration(*row) for row in await conn.fetch(schema.APPLIED)]
        due = _due(wanted, applied, phase)
        for file in due:
            await _apply(conn, file, lock_tries)
    return [file.name for file in due]


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator[Connection]:
    try:
        conn = await asyncpg.connect(dsn, timeout=CONNECT_S, server_settings={"lock_timeout": "5s"})
        try:
            await _lock(conn)
            yield conn
        finally:
            await conn.close(timeout=CONNECT_S)
    except _OtherMigrator as problem:
        raise Unavailable("postgres", "another migrator holds the lock") from problem
    except (*_LOST, *_IN_USE) as problem:
        raise Unavailable("postgres", repr(problem)) from problem


async def _lock(conn: Connection) -> None:
    """Take the lock of migrators. It belongs to the session, so it goes when this process is killed."""
    # Polled: a session that waits inside pg_advisory_lock() holds a snapshot, and CREATE INDEX CONCURRENTLY in the
    # session that has the lock would wait for it: a deadlock.
    async for attempt in stamina.retry_context(
        on=_OtherMigrator, attempts=None, timeout=LOCK_WAIT_S, wait_max=1.0
    ):
        with attempt:
            if not await conn.fetchval("SELECT pg_try_advisory_lock($1)", LOCK, timeout=CONNECT_S):
                raise _OtherMigrator


def _due(
    wanted: Sequence[MigrationFile], applied: Sequence[Migration], phase: Phase | None
) -> list[MigrationFile]:
    """What to apply now; `Misconfigured` when the applied ones do not fit, or the other phase comes first."""
    names = {migration.name for migration in applied}
    pending = [file for file in wanted if file.name not in names]
    problems = schema.mismatches([file.migration for file in wanted], applied)
    problems += [
        f"{file.migration} was never applied, although a later one was"
        for file in pending
        if names and file.name < max(names)
    ]
    if problems:
        raise Misconfigured("\n".join(problems))
    if phase is None:
        return pending
    due = list(takewhile(lambda file: file.migration.phase == phase, pending))
    if not due and any(file.migration.phase == phase for file in pending):
        raise Misconfigured(_first(pending[0].migration))
    return due


def _first(migration: Migration) -> str:
    if migration.phase == "pre":
        return f"{migration} comes first: run `tidegauge migrate --pre`, then replace every process"
    version = migration.schema_version
    return (
        f"{migration} comes first: run `tidegauge migrate --post` when no build of schema version "
        f"{version - 1} is running any more"
    )


async def _apply(conn: Connection, file: MigrationFile, lock_tries: int) -> None:
    try:
        async for attempt in stamina.retry_context(
            on=_IN_USE, attempts=lock_tries, timeout=None, wait_initial=0.5, wait_max=10.0
        ):
            with attempt:
                if file.concurrent_index is None:
                    await _in_transaction(conn, file)
                else:
                    await _outside_transaction(conn, file, file.concurrent_index)
    except _IN_USE as problem:
        raise Unavailable(
            "postgres", f"{file.migration} waited too long for a lock; run the command again"
        ) from problem
    except _LOST:
        raise
    except asyncpg.PostgresError as problem:
        where = f" (at character {problem.position})" if getattr(problem, "position", None) else ""
        raise Misconfigured(f"{file.migration} failed and was not applied: {problem}{where}") from problem


async def _in_transaction(conn: Connection, file: MigrationFile) -> None:
    async with conn.transaction():
        # A migration that waits for a lock blocks all traffic behind it: it gives way after a second and comes again.
        await conn.execute("SET LOCAL lock_timeout = '1s'")
        await conn.execute(file.sql)
        await conn.execute(_RECORD, *file.migration)


async def _outside_transaction(conn: Connection, file: MigrationFile, index: str) -> None:
    """Run one statement that blocks nobody; what a run left behind that was cut off is dropped first."""
    # It waits for older transactions, but nothing waits for it.
    await conn.execute("SET lock_timeout = '10min'")
    if await conn.fetchval(_INVALID, index):
        await conn.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
    await conn.execute(file.sql)
    await conn.execute(_RECORD, *file.migration)
