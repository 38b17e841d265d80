"""A migration does not block a running build for long, and one that was cut off half way is taken up again."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.postgres.migrate import migrate
from shared.errors import Misconfigured, Unavailable
from tests.support.wait import until

pytestmark = pytest.mark.servers

TABLE, INDEX, COLUMN = "0001_pre_tide.sql", "0002_pre_tide_index.sql", "0002_pre_tide_gauge.sql"

WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%tide%' AND pid <> pg_backend_pid()
"""

VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tide_level')"

QUEUED = """
SELECT count(*) >= 3 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%advisory_lock%'
"""

RUN = """
import asyncio, pathlib, sys
from deploy.postgres.migrate import migrate
asyncio.run(migrate(sys.argv[1], pathlib.Path(sys.argv[2])))
"""

Connection = asyncpg.Connection


@pytest_asyncio.fixture
async def folder(dsn: str, tmp_path: Path) -> Path:
    """A table with a row, applied."""
    (tmp_path / TABLE).write_text("CREATE TABLE tide (level integer); INSERT INTO tide VALUES (1);")
    await migrate(dsn, tmp_path)
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Path:
    """An index besides, to be created outside a transaction."""
    sql = "CREATE INDEX CONCURRENTLY IF NOT EXISTS tide_level ON tide (level);"
    (folder / INDEX).write_text(f"-- migration: schema=1, transaction=none\n{sql}")
    return folder


@pytest.fixture
def column(folder: Path) -> Path:
    """A column besides, which needs the table for itself for a moment."""
    (folder / COLUMN).write_text("ALTER TABLE tide ADD COLUMN gauge text;")
    return folder


@pytest_asyncio.fixture
async def observer(dsn: str) -> AsyncIterator[Connection]:
    """A session that looks on."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def writer(dsn: str, folder: Path) -> AsyncIterator[Connection]:
    """A session of a running build, in the middle of a transaction that has written to the table."""
    assert (folder / TABLE).exists()
    connection = await asyncpg.connect(dsn)
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO tide VALUES (2)")
    yield connection
    await connection.close()


async def waits(observer: Connection) -> int:
    """The process id of the session that waits for the writer."""

    async def fact() -> bool:
        return await observer.fetchval(WAITING) is not None

    await until(fact, "the migration waits for the writer", 20)
    return await observer.fetchval(WAITING)


async def test_an_index_is_created_outside_a_transaction(dsn: str, index: Path, observer: Connection) -> None:
    """In a transaction Postgres would refuse it."""
    assert [INDEX] == await migrate(dsn, index)
    assert [] == await migrate(dsn, index)
    assert await observer.fetchval(VALID)


async def test_writers_go_on_while_an_index_is_created(
    dsn: str, index: Path, observer: Connection, writer: Connection
) -> None:
    """It waits for the transactions that were there; those that come do not wait for it."""
    running = asyncio.create_task(migrate(dsn, index))
    await waits(observer)

    await observer.execute("INSERT INTO tide VALUES (3)", timeout=5)

    assert not running.done()
    await writer.execute("COMMIT")
    assert [INDEX] == await running


async def test_an_index_that_was_cut_off_is_created_again(
    dsn: str, index: Path, observer: Connection, writer: Connection
) -> None:
    """The server ends the session: an invalid index stays, nothing is recorded, and the next run drops it first."""
    running = asyncio.create_task(migrate(dsn, index))
    await observer.execute("SELECT pg_terminate_backend($1)", await waits(observer))
    with pytest.raises(Unavailable):
        await running
    assert await observer.fetchval(VALID) is False

    await writer.execute("COMMIT")

    assert [INDEX] == await migrate(dsn, index)
    assert await observer.fetchval(VALID)


async def test_a_migrator_that_was_killed_is_followed_by_another(
    dsn: str, index: Path, observer: Connection, writer: Connection
) -> None:
    """Its session holds the lock until the statement ends; then the next one finds the index, and records it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, dsn, str(index))
    await waits(observer)
    process.send_signal(signal.SIGKILL)
    await process.wait()

    following = asyncio.create_task(migrate(dsn, index))
    await writer.execute("COMMIT")

    assert [INDEX] == await following
    assert await observer.fetchval(VALID)


async def test_migrators_that_wait_do_not_hinder_an_index(
    dsn: str, index: Path, observer: Connection, writer: Connection
) -> None:
    """A migrator that waits for its turn holds no snapshot that the index would wait for."""
    first = asyncio.create_task(migrate(dsn, index))
    await waits(observer)
    others = [asyncio.create_task(migrate(dsn, index)) for _ in range(3)]
    await until(lambda: observer.fetchval(QUEUED), "the others wait for their turn", 20)

    await writer.execute("COMMIT")

    assert [[INDEX], [], [], []] == await asyncio.gather(first, *others)


async def test_a_unique_index_that_cannot_be_is_named(dsn: str, index: Path, observer: Connection) -> None:
    """The file and the reason; it is not recorded, and the repaired file is applied."""
    await observer.execute("INSERT INTO tide VALUES (1)")
    text = (index / INDEX).read_text()
    (index / INDEX).write_text(text.replace("CREATE INDEX", "CREATE UNIQUE INDEX"))
    with pytest.raises(Misconfigured, match=r"0002_pre_tide_index\.sql .*could not create unique index"):
        await migrate(dsn, index)

    (index / INDEX).write_text(text)

    assert [INDEX] == await migrate(dsn, index)
    assert await observer.fetchval(VALID)


async def test_traffic_waits_a_second_at_most(
    dsn: str, column: Path, observer: Connection, writer: Connection
) -> None:
    """A migration that finds its table in use gives way, and comes again."""
    running = asyncio.create_task(migrate(dsn, column))
    await waits(observer)

    await observer.execute("INSERT INTO tide VALUES (3)", timeout=3)

    assert not running.done()
    await writer.execute("COMMIT")
    assert [COLUMN] == await running


async def test_a_table_that_stays_in_use_ends_the_run(dsn: str, column: Path, writer: Connection) -> None:
    """After so many tries the command says so, and leaves nothing."""
    with pytest.raises(Unavailable, match=r"0002_pre_tide_gauge\.sql .*waited too long for a lock"):
        await migrate(dsn, column, lock_tries=2)

    await writer.execute("COMMIT")
    assert [COLUMN] == await migrate(dsn, column)
