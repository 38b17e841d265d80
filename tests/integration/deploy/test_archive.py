"""Days that are closed go into the archive, each once, and the tables let go of no other."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import duckdb
import pytest
import pytest_asyncio

from deploy.files.archive import state
from deploy.postgres.migrate import migrate
from services.gateway.query.resources.system.archive import ArchiveWatch
from shared.postgres import connections
from tests.support import archiving
from tests.support.archiving import DAY, TODAY

pytestmark = pytest.mark.servers

FILES = "SELECT tenant_id, day::text, rows FROM archive_file ORDER BY day, tenant_id"
DAYS = "SELECT day::text FROM archive_day ORDER BY day"

_LATE = """
INSERT INTO event (ts, received_at, tenant_id, event_id, type, name, properties)
SELECT ts, received_at, tenant_id, 'late', type, name, properties FROM event WHERE ts = $1
"""


async def fetch(dsn: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of a statement."""
    conn = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await conn.fetch(statement, *values)]
    finally:
        await conn.close()


async def warnings(dsn: str) -> list[str]:
    """What `tidegauge archive status` and `/health` of the query role warn of: the same."""
    pool = await connections.pool(dsn, 1)
    watch = ArchiveWatch(pool)
    await watch.check()
    await pool.close()
    assert watch.warnings() == (await state.status(dsn))[1]
    return watch.warnings()


def stored(folder: Path) -> list[str]:
    """The files of the archive."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest_asyncio.fixture
async def dsn(dsn: str) -> str:
    """A database of this test's own, with our tables."""
    await migrate(dsn)
    return dsn


async def test_a_day_is_archived_when_nothing_can_change_it_any_more(dsn: str, tmp_path: Path) -> None:
    """Nine days behind the slowest partition; days without rows have no file, and nothing is written twice."""
    since = TODAY - 14 * DAY
    await archiving.keep_for(dsn, "rollup_1m", 20)
    await archiving.made(dsn, "rollup_1m")
    first, second = await archiving.fill(dsn, "rollup_1m", 2, since, since + 5 * DAY)
    await archiving.set_time(dsn, since + 12 * DAY - timedelta(seconds=1))

    early = await archiving.archived(dsn, str(tmp_path))
    again = await archiving.archived(dsn, str(tmp_path))
    await archiving.set_time(dsn, TODAY)
    later = await archiving.archived(dsn, str(tmp_path))

    days = [f"{since + number * DAY:%Y-%m-%d}" for number in range(5)]
    assert (days[1], [], days[2:]) == (early[-1][1], again, [day for _, day in later])
    assert [day for _, day in early + later] == [row[0] for row in await fetch(dsn, DAYS)]
    every = [(tenant, day, 6 * 1440) for day in days for tenant in (first, second)]
    written = [one for one in every if one[:2] != (second, days[1])]
    assert written == await fetch(dsn, FILES)
    assert len(written) == len(stored(tmp_path))


async def test_a_partition_goes_when_its_days_are_archived_and_were_looked_at_again(
    dsn: str, tmp_path: Path
) -> None:
    """Without the archive it waits, whatever its age; a row that came all the same is archived before it goes."""
    since = TODAY - 30 * DAY
    await archiving.keep_for(dsn, "event", 40)
    await archiving.made(dsn, "event")
    (tenant,) = await archiving.fill(dsn, "event", 1, since, since + 4 * DAY)
    rows = "SELECT ts, event_id, properties::text FROM event ORDER BY ts"
    before = await fetch(dsn, rows)
    told = [await warnings(dsn)]
    await archiving.archived(dsn, str(tmp_path))
    told += [await warnings(dsn)]
    await fetch(dsn, _LATE, since)

    await archiving.keep_for(dsn, "event", 20)
    await archiving.expired(dsn, "event")
    waiting = len(await fetch(dsn, rows))
    again = await archiving.archived(dsn, str(tmp_path))
    await archiving.expired(dsn, "event")
    left = await fetch(dsn, rows)
    of_tenant = f"'{tmp_path}/event/tenant={tenant}/*/*.parquet'"
    found = duckdb.sql(f"SELECT ts, event_id, properties FROM {of_tenant}").fetchall()

    assert (len(before) + 1, [("event", f"{since:%Y-%m-%d}")], []) == (waiting, again, left)
    assert [1, 0] == [len(lines) for lines in told]
    assert told[0][0].startswith("event: ")
    assert "wait to be archived" in told[0][0]
    assert before == sorted(row for row in found if row[1] != "late")
    assert len(before) + 1 == len(found)
    assert [(TODAY - 22 * DAY).date()] == [
        row[0] for row in await fetch(dsn, "SELECT max(day) FROM archive_day WHERE dropped_at IS NOT NULL")
    ]
