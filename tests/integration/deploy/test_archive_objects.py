"""The archive in a store that speaks S3: what was archived, dropped and asked again has the same answers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.postgres.migrate import migrate
from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.tables.archive.tables import ArchivedTables
from services.gateway.query.questions.tables.series import MAX_ROWS, PostgresBlocks
from shared.errors import Unavailable
from shared.files.store import Store
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.wire.topics import METRICS
from tests.e2e.agents import programs
from tests.e2e.agents.agent import running
from tests.support import archiving
from tests.support.archiving import DAY, TODAY
from tests.support.http.gateway import free_port
from tests.support.wait import until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not programs.BUILT, reason="make clients"),
]

SINCE, UNTIL = TODAY - 70 * DAY, TODAY - 60 * DAY
QUARTER_MS = 900_000
KEY, SECRET = "archive", "secret-of-the-archive"
SELECTIONS = (Selection(1, "api.response_seconds"), Selection(2, "queue.depth", by=None))


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[str]:
    """The address of an archive in a bucket."""
    port, bucket = free_port(), tmp_path / "buckets" / "telemetry"
    bucket.mkdir(parents=True)
    command = (
        programs.program("versitygw"), "--port", f"127.0.0.1:{port}", "--access", KEY, "--secret", SECRET,
        "posix", bucket.parent,
    )  # fmt: skip

    async def answers() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    async with running(*command, log=tmp_path / "store.log"):
        await until(answers, "the store takes connections")
        options = f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
        yield f"s3://{KEY}:{SECRET}@telemetry/days?{options}"


@pytest_asyncio.fixture
async def dsn(dsn: str) -> str:
    """A database with ten days of rows of two tenants."""
    await migrate(dsn)
    await archiving.keep_for(dsn, "rollup_15m", 120)
    await archiving.made(dsn, "rollup_15m")
    await archiving.fill(dsn, "rollup_15m", 2, SINCE, UNTIL)
    await archiving.set_time(dsn, TODAY)
    return dsn


def plain(found: Grouped) -> list[str]:
    """Rows as text, in one order."""
    rows = found.rollups
    columns = [getattr(rows, one.name).tolist() for one in fields(rows) if one.name != "slot"]
    return [str(sorted(map(str, found.groups))), str(columns)]


async def test_days_in_a_store_of_objects_are_answered_as_before(dsn: str, store: str) -> None:
    """Each file is there once, with the bytes that the catalogue names; who may not read is told so."""
    pool = await connections.pool(dsn, 2)
    span = int(SINCE.timestamp() * 1000), int(UNTIL.timestamp() * 1000)
    direct = PostgresBlocks(pool, METRICS.name)
    before = [plain((await direct.load(one, QUARTER_MS, *span)).rows) for one in SELECTIONS]

    written = await archiving.archived(dsn, store)
    await archiving.keep_for(dsn, "rollup_15m", 20)
    again = await archiving.archived(dsn, store)
    await archiving.expired(dsn, "rollup_15m")
    catalogue = await pool.fetch("SELECT name, bytes, sha256 FROM archive_file ORDER BY name")
    files = Store(store)
    tables = ArchivedTables(direct, pool, files, MAX_ROWS, now_ms)
    after = [plain((await tables.load(one, QUARTER_MS, *span)).rows) for one in SELECTIONS]
    left = await pool.fetchval("SELECT count(*) FROM rollup_15m WHERE window_start < $1", UNTIL)
    await pool.close()

    days = {day for table, day in written if table == "rollup_15m"}
    assert {f"{SINCE + number * DAY:%Y-%m-%d}" for number in range(10)} <= days
    # One tenant has no rows on the second day.
    assert (2 * 10 - 1, [], 0) == (len(catalogue), again, left)
    assert [name for name, *_ in catalogue] == sorted(await asyncio.to_thread(files.names, "rollup_15m"))
    digests = [await asyncio.to_thread(files.digest, name) for name, *_ in catalogue]
    assert [(size, digest.hex()) for _, size, digest in catalogue] == [tuple(one) for one in digests]
    assert before == after
    with pytest.raises(Unavailable):
        await asyncio.to_thread(Store(store.replace(SECRET, "another")).names, "rollup_15m")
