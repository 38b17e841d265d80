"""`tidegauge archive run` is killed at any moment, over and over: no day is in the archive twice, none is missing."""

import asyncio
import os
import sys
from itertools import product
from pathlib import Path
from random import Random

import asyncpg
import duckdb
import pytest
import pytest_asyncio

from deploy.local.folder import ROOT
from deploy.postgres.migrate import migrate
from shared.runtime.failpoint import ARCHIVE_POINTS, EXIT_CRASHED, VARIABLE
from tests.support import archiving
from tests.support.archiving import DAY, TODAY

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

SEED = int(os.environ.get("TIDEGAUGE_SEED", "1"))
TENANTS, DAYS = 3, 8
ROWS = """
SELECT tenant_id, series_id, window_start, count, sum, sketch_weight FROM rollup_15m JOIN series USING (series_id)
ORDER BY 1, 2, 3
"""
IN_FILES = """
SELECT tenant, series_id, window_start, count, sum, weight
FROM read_parquet('{}/rollup_15m/*/*/*.parquet', hive_partitioning = true) ORDER BY 1, 2, 3
"""
IN_ARCHIVE = "SELECT count(*) FROM archive_day WHERE day >= $1 AND day < $2"
SINCE = TODAY - 30 * DAY


@pytest_asyncio.fixture
async def dsn(dsn: str) -> str:
    """A database with a week of rows of some tenants, all of it closed."""
    await migrate(dsn)
    await archiving.keep_for(dsn, "rollup_15m", 40)
    await archiving.made(dsn, "rollup_15m")
    await archiving.fill(dsn, "rollup_15m", TENANTS, SINCE, SINCE + DAYS * DAY)
    await archiving.set_time(dsn, TODAY)
    return dsn


async def started(dsn: str, folder: Path, armed: str) -> asyncio.subprocess.Process:
    """The command, as it is called once a day."""
    environ = os.environ | {"TIDEGAUGE_POSTGRES": dsn, "TIDEGAUGE_ARCHIVE": str(folder), VARIABLE: armed}
    words = ("-c", "from deploy.cli import app; app()", "archive", "run")
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environ, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )


def stored(folder: Path) -> list[str]:
    """The files of the archive, whole or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


async def test_no_day_is_twice_in_it_and_none_is_missing(dsn: str, tmp_path: Path) -> None:
    """At each point, at its first passages; then with SIGKILL at random; then once to the end."""
    random, folder = Random(SEED), tmp_path / "archive"
    ends = []
    for point, passage in product(ARCHIVE_POINTS, (1, 2, 3)):
        process = await started(dsn, folder, f"{point}:{passage}:exit")
        ends.append((await process.communicate(), process.returncode)[1])
    for _ in range(10):
        process = await started(dsn, folder, "")
        try:
            async with asyncio.timeout(random.uniform(0.8, 2.5)):
                await process.wait()
        except TimeoutError:
            process.kill()
        await process.communicate()
    last = await started(dsn, folder, "")
    said, code = (await last.communicate())[1], last.returncode

    assert (0, True) == (code, ends.count(EXIT_CRASHED) >= 15), said.decode()
    conn = await asyncpg.connect(dsn)
    expected = [tuple(row) for row in await conn.fetch(ROWS)]
    names = [row[0] for row in await conn.fetch("SELECT name FROM archive_file ORDER BY name")]
    days = await conn.fetchval(IN_ARCHIVE, SINCE.date(), (SINCE + DAYS * DAY).date())
    await conn.close()
    assert expected == duckdb.sql(IN_FILES.format(folder)).fetchall()
    assert (names, DAYS) == (stored(folder), days)
