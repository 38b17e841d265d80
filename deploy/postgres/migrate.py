"""Applies the numbered SQL files in order, each once, each in one transaction, one migrator at a time.

A file is named `NNNN_pre_name.sql` (may run before new code is up) or `NNNN_post_name.sql` (only after). The law: what
was applied is never edited; a changed, missing or unknown file stops everything before anything is applied.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg

from shared.errors import Misconfigured, Unavailable

FOLDER = Path(__file__).with_name("migrations")
"""The project's migrations."""

LOCK = 0x7469_6465_6761_7567
"""Key of the advisory lock: "tidegaug" in ASCII."""

LOCK_WAIT_S = 60.0
"""How long to wait for another migrator."""

CONNECT_S = 10.0

_NAME = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""

_APPLIED = "SELECT name, sha256 FROM migration ORDER BY name"

_RECORD = "INSERT INTO migration (name, sha256) VALUES ($1, $2)"


class Migration(NamedTuple):
    """One file: its name, its text and the text's checksum."""

    name: str
    sql: str
    sha256: str


def read(folder: Path) -> list[Migration]:
    """The migrations of a folder in order; `Misconfigured` for a bad name, a gap or a number used twice."""
    found = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise Misconfigured(f"{path.name} is not named NNNN_pre_name.sql or NNNN_post_name.sql")
        if int(match[1]) != number:
            raise Misconfigured(
                f"{path.name} stands where number {number:04} is expected: a gap, or a number used twice"
            )
        text = path.read_text()
        found.append(Migration(path.name, text, hashlib.sha256(text.encode()).hexdigest()))
    if not found:
        raise Misconfigured(f"no migrations in {folder}")
    return found


async def migrate(dsn: str, folder: Path = FOLDER) -> list[str]:
    """Apply what was not applied yet and return its names."""
    wanted = read(folder)
    async with _locked(dsn) as connection:
        await connection.execute(_TABLE)
        applied = {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED)}
        _check(wanted, applied)
        fresh = [migration for migration in wanted if migration.name not in applied]
        for migration in fresh:
            await _apply(connection, migration)
    return [migration.name for migration in fresh]


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
    except (OSError, TimeoutError) as problem:
        raise Unavailable("postgres", repr(problem)) from problem
    try:
        # The lock belongs to the session: it goes with the connection, also when this process is killed.
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=LOCK_WAIT_S)
        yield connection
    except TimeoutError as problem:
        raise Unavailable("postgres", "another migrator holds the lock, or a statement hangs") from problem
    finally:
        await connection.close()


def _check(wanted: Sequence[Migration], applied: dict[str, str]) -> None:
    known = {migration.name: migration.sha256 for migration in wanted}
    problems = [
        f"{name} was applied but is not in the folder: is this code older than the database?"
        for name in applied
        if name not in known
    ]
    problems += [
        f"{name} was changed after it was applied: restore it, and put the change into a new file "
        "(a local system may forget its data instead: `tidegauge up --fresh`)"
        for name, sha256 in applied.items()
        if known.get(name, sha256) != sha256
    ]
    pending = [migration.name for migration in wanted if migration.name not in applied]
    problems += [
        f"{name} was never applied, although a later one was"
        for name in pending
        if applied and name < max(applied)
    ]
    if problems:
        raise Misconfigured("\n".join(problems))


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    try:
        async with connection.transaction():
            # A migration that must wait for a lock blocks everyone behind it: better to fail and be run again.
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.name, migration.sha256)
    except asyncpg.LockNotAvailableError as problem:
        raise Unavailable(
            "postgres", f"{migration.name} waited too long for a lock; run it again"
        ) from problem
    except asyncpg.PostgresError as problem:
        where = f" (at character {problem.position})" if getattr(problem, "position", None) else ""
        raise Misconfigured(f"{migration.name} failed and was rolled back: {problem}{where}") from problem
