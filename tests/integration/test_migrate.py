"""Migrations are applied in order, once, and never edited."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from deploy.postgres.migrate import FOLDER, migrate, read
from shared.errors import Misconfigured, Unavailable

pytestmark = pytest.mark.servers

FIRST = "CREATE TABLE tide (level integer);"
SECOND = "INSERT INTO tide VALUES (1);"


@pytest_asyncio.fixture
async def dsn(stack: Stack) -> AsyncIterator[str]:
    """An empty database of this test's own."""
    name = f"t{secrets.token_hex(4)}"
    admin = await asyncpg.connect(stack.postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    yield stack.postgres.rpartition("/")[0] + "/" + name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations."""
    (tmp_path / "0001_pre_tide.sql").write_text(FIRST)
    (tmp_path / "0002_post_level.sql").write_text(SECOND)
    return tmp_path


async def rows(dsn: str, sql: str) -> list[tuple[object, ...]]:
    """What a query answers."""
    connection = await asyncpg.connect(dsn)
    found = [tuple(row) for row in await connection.fetch(sql)]
    await connection.close()
    return found


async def test_files_are_applied_in_order_and_once(dsn: str, folder: Path) -> None:
    """The second run applies nothing."""
    assert await migrate(dsn, folder) == ["0001_pre_tide.sql", "0002_post_level.sql"]
    assert await migrate(dsn, folder) == []
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_a_new_file_is_applied_alone(dsn: str, folder: Path) -> None:
    """What was applied stays applied."""
    await migrate(dsn, folder)
    (folder / "0003_pre_more.sql").write_text("INSERT INTO tide VALUES (2);")

    assert await migrate(dsn, folder) == ["0003_pre_more.sql"]


async def test_a_changed_file_is_refused(dsn: str, folder: Path) -> None:
    """A checksum that differs stops everything, the new file included."""
    await migrate(dsn, folder)
    (folder / "0002_post_level.sql").write_text("INSERT INTO tide VALUES (3);")
    (folder / "0003_pre_more.sql").write_text("INSERT INTO tide VALUES (2);")

    with pytest.raises(Misconfigured, match=r"0002_post_level\.sql was changed"):
        await migrate(dsn, folder)
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_an_unknown_applied_file_is_refused(dsn: str, folder: Path) -> None:
    """Old code does not run on a newer database."""
    await migrate(dsn, folder)
    (folder / "0002_post_level.sql").unlink()

    with pytest.raises(Misconfigured, match=r"0002_post_level\.sql was applied but is not in the folder"):
        await migrate(dsn, folder)


async def test_a_file_that_fails_leaves_nothing(dsn: str, folder: Path) -> None:
    """Each file is one transaction; those before it stay, and the run can be repeated."""
    (folder / "0003_pre_bad.sql").write_text("INSERT INTO tide VALUES (2); SELECT nonsense;")

    with pytest.raises(Misconfigured, match=r"0003_pre_bad\.sql failed and was rolled back"):
        await migrate(dsn, folder)
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]
    assert await rows(dsn, "SELECT count(*) FROM migration") == [(2,)]


async def test_migrators_take_turns(dsn: str, folder: Path) -> None:
    """Of many at once each file is applied by one."""
    applied = await asyncio.gather(*(migrate(dsn, folder) for _ in range(5)))

    assert sorted(name for names in applied for name in names) == ["0001_pre_tide.sql", "0002_post_level.sql"]
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_the_projects_own_migrations_apply(dsn: str) -> None:
    """From an empty database to the present tables."""
    assert await migrate(dsn) == [migration.name for migration in read(FOLDER)]


async def test_an_absent_server_is_unavailable(folder: Path) -> None:
    """Nobody listens: the caller may try again later."""
    with pytest.raises(Unavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none", folder)
