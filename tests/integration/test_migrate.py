"""Migrations are applied in order, once, together or by phase, and never edited."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.postgres.files import FOLDER, read
from deploy.postgres.migrate import migrate
from shared.errors import Misconfigured, Unavailable

pytestmark = pytest.mark.servers

PRE, POST, NEXT_PRE, NEXT_POST = (
    "0001_pre_tide.sql", "0002_post_level.sql", "0003_pre_gauge.sql", "0004_post_gauge.sql",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations of schema version 1."""
    (tmp_path / PRE).write_text("CREATE TABLE tide (level integer);")
    (tmp_path / POST).write_text("INSERT INTO tide VALUES (1);")
    return tmp_path


@pytest.fixture
def newer(folder: Path) -> Path:
    """The migrations of schema versions 1 and 2."""
    (folder / NEXT_PRE).write_text("-- migration: schema=2\nALTER TABLE tide ADD COLUMN gauge text;")
    (folder / NEXT_POST).write_text("-- migration: schema=2\nUPDATE tide SET gauge = 'sea';")
    return folder


async def rows(dsn: str, sql: str) -> list[tuple[object, ...]]:
    """What a query answers."""
    connection = await asyncpg.connect(dsn)
    found = [tuple(row) for row in await connection.fetch(sql)]
    await connection.close()
    return found


async def test_files_are_applied_in_order_and_once(dsn: str, folder: Path) -> None:
    """The second run applies nothing."""
    assert await migrate(dsn, folder) == [PRE, POST]
    assert await migrate(dsn, folder) == []
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_phases_are_applied_apart(dsn: str, folder: Path) -> None:
    """First what the running build bears, and the rest when it is gone."""
    assert await migrate(dsn, folder, "pre") == [PRE]
    assert await rows(dsn, "SELECT level FROM tide") == []
    assert await migrate(dsn, folder, "post") == [POST]
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_without_a_phase_both_are_applied(dsn: str, newer: Path) -> None:
    """In the order of their numbers, each recorded with its schema version."""
    assert await migrate(dsn, newer) == [PRE, POST, NEXT_PRE, NEXT_POST]
    assert await rows(dsn, "SELECT schema_version FROM migration ORDER BY name") == [(1,), (1,), (2,), (2,)]


async def test_post_waits_for_pre(dsn: str, folder: Path) -> None:
    """Nothing is applied out of order; the message names the command that comes first."""
    with pytest.raises(Misconfigured, match=r"0001_pre_tide\.sql .*run `tidegauge migrate --pre`"):
        await migrate(dsn, folder, "post")


async def test_pre_waits_for_the_post_of_the_version_before(dsn: str, newer: Path) -> None:
    """Three builds never share a schema."""
    assert await migrate(dsn, newer, "pre") == [PRE]

    with pytest.raises(Misconfigured, match=r"0002_post_level\.sql .*run `tidegauge migrate --post` when no"):
        await migrate(dsn, newer, "pre")
    assert await migrate(dsn, newer, "post") == [POST]
    assert await migrate(dsn, newer, "pre") == [NEXT_PRE]


async def test_a_phase_that_is_done_applies_nothing(dsn: str, folder: Path) -> None:
    """An upgrade that was interrupted goes on by the same commands."""
    await migrate(dsn, folder, "pre")

    assert await migrate(dsn, folder, "pre") == []


async def test_a_new_file_is_applied_alone(dsn: str, folder: Path) -> None:
    """What was applied stays applied."""
    await migrate(dsn, folder)
    (folder / NEXT_PRE).write_text("-- migration: schema=2\nINSERT INTO tide VALUES (2);")

    assert await migrate(dsn, folder) == [NEXT_PRE]


async def test_a_changed_file_is_refused(dsn: str, folder: Path) -> None:
    """A checksum that differs stops everything, the new file included."""
    await migrate(dsn, folder)
    (folder / POST).write_text("INSERT INTO tide VALUES (3);")
    (folder / NEXT_PRE).write_text("-- migration: schema=2\nINSERT INTO tide VALUES (2);")

    with pytest.raises(Misconfigured, match=r"0002_post_level\.sql \(schema version 1\) was changed"):
        await migrate(dsn, folder)
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_the_pre_of_the_next_version_is_accepted(dsn: str, newer: Path) -> None:
    """The migrator of the build before still runs, and has nothing to do."""
    await migrate(dsn, newer, "pre")
    await migrate(dsn, newer, "post")
    await migrate(dsn, newer, "pre")
    for name in (NEXT_PRE, NEXT_POST):
        (newer / name).unlink()

    assert await migrate(dsn, newer) == []


async def test_the_post_of_the_next_version_is_refused(dsn: str, newer: Path) -> None:
    """A build does not work on a schema that was made without regard to it."""
    await migrate(dsn, newer)
    for name in (NEXT_PRE, NEXT_POST):
        (newer / name).unlink()

    with pytest.raises(
        Misconfigured, match=r"^0004_post_gauge\.sql \(schema version 2\) was applied by another build"
    ):
        await migrate(dsn, newer)


async def test_a_file_that_fails_leaves_nothing(dsn: str, folder: Path) -> None:
    """Each file is one transaction; those before it stay, and the run can be repeated."""
    (folder / NEXT_PRE).write_text("-- migration: schema=2\nINSERT INTO tide VALUES (2); SELECT nonsense;")

    with pytest.raises(
        Misconfigured, match=r"0003_pre_gauge\.sql \(schema version 2\) failed and was not applied"
    ):
        await migrate(dsn, folder)
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]
    assert await rows(dsn, "SELECT count(*) FROM migration") == [(2,)]


async def test_migrators_take_turns(dsn: str, folder: Path) -> None:
    """Of many at once each file is applied by one."""
    applied = await asyncio.gather(*(migrate(dsn, folder) for _ in range(5)))

    assert sorted(name for names in applied for name in names) == [PRE, POST]
    assert await rows(dsn, "SELECT level FROM tide") == [(1,)]


async def test_a_database_of_an_older_runner_is_taken_over(dsn: str, folder: Path) -> None:
    """The runner before this one recorded no schema version: what it applied has version 1."""
    files = read(folder)
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE migration (name text PRIMARY KEY, sha256 text NOT NULL)")
    await connection.execute("CREATE TABLE tide (level integer)")
    await connection.execute("INSERT INTO migration VALUES ($1, $2)", *files[0].migration[:2])
    await connection.close()

    assert await migrate(dsn, folder) == [POST]
    assert await rows(dsn, "SELECT name, schema_version FROM migration ORDER BY name") == [
        (PRE, 1),
        (POST, 1),
    ]


async def test_the_projects_own_migrations_apply(dsn: str) -> None:
    """From an empty database to the present tables."""
    assert await migrate(dsn) == [file.name for file in read(FOLDER)]


async def test_an_absent_server_is_unavailable(folder: Path) -> None:
    """Nobody listens: the caller may try again later."""
    with pytest.raises(Unavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none", folder)


def test_the_command_applies_by_phase(dsn: str) -> None:
    """`--pre` and `--post` as an operator types them; the plain command afterwards finds nothing to do."""
    names = [
        [file.name for file in read(FOLDER) if file.migration.phase == phase] for phase in ("pre", "post")
    ]
    words = [("migrate", "--pre"), ("migrate", "--post"), ("migrate",)]

    done = [CliRunner().invoke(app, list(each), env={"TIDEGAUGE_POSTGRES": dsn}) for each in words]

    printed = [
        "\n".join(f"applied {name}" for name in each) or "nothing had to be applied" for each in [*names, []]
    ]
    assert [(0, f"{text}\n") for text in printed] == [(each.exit_code, each.output) for each in done]
