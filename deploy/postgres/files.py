"""Reads a folder of migrations: their order, their schema versions, and which run outside a transaction.

A file is named `NNNN_pre_name.sql` (compatible with the build before) or `NNNN_post_name.sql` (needs that build gone).
Its first line says what it belongs to: `-- migration: schema=2`, or `-- migration: schema=2, transaction=none`; a file
without that line has schema version 1 and runs in a transaction. Invariant: numbers have no gap; schema versions
never fall and rise by one; within one, `post` follows `pre`.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from shared.errors import Misconfigured
from shared.postgres.schema import Migration

FOLDER = Path(__file__).with_name("migrations")
"""The project's migrations."""

_NAME = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")
_HEADER = re.compile(r"-- migration: schema=([1-9]\d*)(, transaction=none)?")
_REPEATABLE = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS|DROP INDEX CONCURRENTLY IF EXISTS) (\w+)\b[^;]*;?"
)


class MigrationFile(NamedTuple):
    """One file, and what it runs."""

    migration: Migration
    sql: str
    concurrent_index: str | None
    """The index that is created or dropped outside a transaction; None: the file is one transaction."""

    @property
    def name(self) -> str:
        """Its file name."""
        return self.migration.name


def read(folder: Path) -> list[MigrationFile]:
    """The migrations of a folder in order; `Misconfigured` for a bad name, header, gap or order."""
    found: list[MigrationFile] = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise Misconfigured(f"{path.name} is not named NNNN_pre_name.sql or NNNN_post_name.sql")
        if int(match[1]) != number:
            raise Misconfigured(
                f"{path.name} stands where number {number:04} is expected: a gap, or a number used twice"
            )
        file = _parse(path.name, path.read_text())
        _check_order(found[-1].migration if found else None, file.migration)
        found.append(file)
    if not found:
        raise Misconfigured(f"no migrations in {folder}")
    return found


def _parse(name: str, text: str) -> MigrationFile:
    version, index = 1, None
    first, _, rest = text.partition("\n")
    if first.startswith("-- migration"):
        header = _HEADER.fullmatch(first)
        if header is None:
            raise Misconfigured(
                f"{name}: the first line must be `-- migration: schema=N` or `-- migration: schema=N, transaction=none`"
            )
        version = int(header[1])
        index = _index_of(name, rest) if header[2] else None
    return MigrationFile(Migration(name, hashlib.sha256(text.encode()).hexdigest(), version), text, index)


def _index_of(name: str, text: str) -> str:
    """The index of a statement that may run again after it was cut off."""
    statement = " ".join(re.sub(r"--.*", "", text).split())
    match = _REPEATABLE.fullmatch(statement)
    if match is None:
        raise Misconfigured(
            f"{name}: outside a transaction a file holds one statement that is safe to repeat: "
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS name …, or DROP INDEX CONCURRENTLY IF EXISTS name"
        )
    return match[1]


def _check_order(before: Migration | None, migration: Migration) -> None:
    version, phase = (before.schema_version, before.phase) if before else (1, "pre")
    if migration.schema_version not in {version, version + 1}:
        raise Misconfigured(
            f"{migration} follows schema version {version}: versions never fall and rise by one"
        )
    if (migration.schema_version, migration.phase, phase) == (version, "pre", "post"):
        raise Misconfigured(
            f"{migration} follows a post migration of its version: give it schema version {version + 1}"
        )
