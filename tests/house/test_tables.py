"""Every table that a migration makes has a bound in the handbook, and somebody who may use it."""

import re
from pathlib import Path

import pytest

from deploy.postgres.roles import GRANTS


@pytest.fixture
def tables(root: Path) -> set[str]:
    """The tables that the migrations leave."""
    texts = [path.read_text() for path in sorted((root / "deploy/postgres/migrations").glob("*.sql"))]
    text = re.sub(r"--.*", "", "\n".join(texts))
    made = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text, re.MULTILINE)
    return {*made, "migration"} - set(re.findall(r"^DROP TABLE (\w+)", text, re.MULTILINE))


def test_every_table_has_a_bound_in_the_handbook(root: Path, tables: set[str]) -> None:
    """A table that nobody thought of would grow for years; its row says what it grows with and what ends it."""
    section = (root / "docs/BOUNDS.md").read_text().partition("\n## Tables\n")[2].partition("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert (tables - listed, listed - tables) == (set(), set())


def test_every_table_is_granted_to_somebody(tables: set[str]) -> None:
    """A service that lacks a right waits for it; `deploy/postgres/roles.py` is where a new table is granted."""
    granted = {table for rights in GRANTS.values() for table in rights}

    assert (tables - granted, granted - tables) == (set(), set())
