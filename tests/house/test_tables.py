"""Every table that a migration makes has a bound in the handbook, and somebody who may use it."""

import re
from pathlib import Path

import pytest

from deploy.postgres.roles import GRANTS, UNGRANTED


@pytest.fixture
def migrations(root: Path) -> str:
    """All of them, without comments."""
    texts = [path.read_text() for path in sorted((root / "deploy/postgres/migrations").glob("*.sql"))]
    return re.sub(r"--.*", "", "\n".join(texts))


@pytest.fixture
def tables(migrations: str) -> set[str]:
    """The tables that the migrations leave."""
    made = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", migrations, re.MULTILINE)
    return {*made, "migration"} - set(re.findall(r"^DROP TABLE (\w+)", migrations, re.MULTILINE))


@pytest.fixture
def views(migrations: str) -> dict[str, str]:
    """The definition of each view."""
    return dict(re.findall(r"^CREATE VIEW (\w+)(.*?);$", migrations, re.MULTILINE | re.DOTALL))


def test_every_table_has_a_bound_in_the_handbook(root: Path, tables: set[str]) -> None:
    """A table that nobody thought of would grow for years; its row says what it grows with and what ends it."""
    section = (root / "docs/BOUNDS.md").read_text().partition("\n## Tables\n")[2].partition("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert (tables - listed, listed - tables) == (set(), set())


def test_every_table_is_granted_to_somebody(tables: set[str], views: dict[str, str]) -> None:
    """A service that lacks a right waits for it; `deploy/postgres/roles.py` is where a new table is granted."""
    granted = {table for rights in GRANTS.values() for table in rights}

    assert (tables - granted, granted - tables - set(views)) == (UNGRANTED, set())


def test_readers_have_views_alone(views: dict[str, str]) -> None:
    """A table holds the rows of all tenants."""
    assert set(GRANTS["reader"]) <= set(views)


def test_every_view_of_tables_has_a_barrier_and_names_the_tenants(
    tables: set[str], views: dict[str, str]
) -> None:
    """One of other views needs none; a union of tables would not be held by it."""
    of_tables = {
        name: text for name, text in views.items() if set(re.findall(r"(?:FROM|JOIN) (\w+)", text)) & tables
    }

    assert {
        name for name, text in of_tables.items() if not text.startswith(" WITH (security_barrier) AS")
    } == set()
    assert {name for name, text in of_tables.items() if "readable_tenants()" not in text} == set()
    assert {name for name, text in of_tables.items() if "UNION" in text} == set()


def test_the_handbook_says_what_each_view_holds(root: Path) -> None:
    """Those that readers have, and no others."""
    section = (root / "docs/QUERIES.md").read_text().partition("\n## Views\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)

    assert set(GRANTS["reader"]) == {name for row in rows for name in re.findall(r"`(\w+)`", row)}
