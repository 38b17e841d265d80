"""A month is archived, dropped and asked again: the same answers, from the queries, from DuckDB and over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import httpx2
import numpy as np
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.selection import Matcher, Selection
from services.gateway.query.questions.tables.archive.tables import ArchivedTables
from services.gateway.query.questions.tables.archive.wiring import archived_since
from services.gateway.query.questions.tables.series import MAX_ROWS, PostgresBlocks
from shared.files.archive import begin_ms
from shared.files.store import Store
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.wire.topics import METRICS
from tests.support import archiving
from tests.support.archiving import DAY, TODAY
from tests.support.http.gateway import started
from tests.support.http.reader import Reader, reader

pytestmark = pytest.mark.servers

SINCE, UNTIL = TODAY - 95 * DAY, TODAY - 38 * DAY
MINUTES_MS = 900_000
DAY_MS = 96 * MINUTES_MS


def ms(at: Any) -> int:
    """An instant in milliseconds."""
    return int(at.timestamp() * 1000)


@pytest_asyncio.fixture
async def dsn(dsn: str) -> str:
    """A database with eight weeks of rows of three tenants, kept for long so far."""
    await migrate(dsn)
    await archiving.keep_for(dsn, "rollup_15m", 120)
    await archiving.made(dsn, "rollup_15m")
    await archiving.fill(dsn, "rollup_15m", 3, SINCE, UNTIL)
    await archiving.set_time(dsn, TODAY)
    return dsn


@pytest_asyncio.fixture
async def pool(dsn: str) -> AsyncIterator[connections.Pool]:
    """Connections to it."""
    made = await connections.pool(dsn, 2)
    yield made
    await made.close()


SELECTIONS = {
    "every series": Selection(1, "api.response_seconds", by=None),
    "all together": Selection(1, "api.response_seconds"),
    "by a label": Selection(2, "api.response_seconds", by=("endpoint",)),
    "some series": Selection(2, "api.response_seconds", where=(Matcher("endpoint", "=", ("/1",)),), by=None),
    "a glob": Selection(3, "queue.depth", where=(Matcher('odd, "one"', "~", ("é*",)),), by=('odd, "one"',)),
    "none": Selection(3, "queue.depth", where=(Matcher("endpoint", "in", ("/7",)),)),
    "of another kind": Selection(1, "queue.depth", kind="delta"),
    "another metric": Selection(1, "no.such"),
}
RANGES = {
    "all": (ms(SINCE), ms(UNTIL)),
    "within a day": (ms(SINCE) + 7 * MINUTES_MS, ms(SINCE) + 50 * MINUTES_MS),
    "across midnights": (ms(SINCE) + 30 * MINUTES_MS, ms(SINCE) + 3 * DAY_MS + MINUTES_MS),
    "across what is left": (ms(TODAY - 55 * DAY), ms(TODAY)),
}


def plain(found: Grouped) -> list[Any]:
    """Groups and columns, to be compared; groups stand in the order of their labels."""
    order = sorted(range(len(found.groups)), key=lambda slot: found.groups[slot])
    place = np.argsort(order) if order else np.zeros(0, np.int64)
    rows = found.rollups
    rows = rows.take(np.lexsort((place[rows.slot], rows.start_ms)))
    columns = [getattr(rows, one.name).tolist() for one in fields(rows) if one.name != "slot"]
    return [[found.groups[slot] for slot in order], place[rows.slot].tolist(), str(columns)]


async def asked(tables: Any) -> dict[tuple[str, str], list[Any]]:
    """Every selection over every range."""
    return {
        (name, span): plain((await tables.load(selection, MINUTES_MS, *RANGES[span])).rows)
        for name, selection in SELECTIONS.items()
        for span in RANGES
    }


SQL = """
SELECT labels{end} AS label, count(*) AS rows, sum(count) AS count, min(min) AS low, max(max) AS high,
       sum(samples) AS samples
FROM {table} WHERE metric = 'api.response_seconds' GROUP BY 1 ORDER BY 1
"""


async def test_a_month_that_was_dropped_is_answered_as_before(
    dsn: str, pool: connections.Pool, tmp_path: Path
) -> None:
    """Rows to the last bit; DuckDB counts in the files what Postgres counted in the tables."""
    direct = PostgresBlocks(pool, METRICS.name)
    before = await asked(direct)
    of_tenant = "(SELECT * FROM rollup_15m JOIN series USING (series_id) WHERE tenant_id = 2) AS r"
    counted = await pool.fetch(SQL.format(table=of_tenant, end="->>'endpoint'"))

    await archiving.archived(dsn, str(tmp_path))
    await archiving.keep_for(dsn, "rollup_15m", 20)
    checked = await archiving.archived(dsn, str(tmp_path))
    await archiving.expired(dsn, "rollup_15m")
    left = await pool.fetchval("SELECT min(window_start) FROM rollup_15m")

    assert [] == checked
    assert TODAY - 60 * DAY <= left < UNTIL
    tables = ArchivedTables(direct, pool, Store(str(tmp_path)), MAX_ROWS, now_ms)
    assert before == await asked(tables)
    assert before != await asked(direct)
    files = f"read_parquet('{tmp_path}/rollup_15m/tenant=2/*/*.parquet')"
    found = duckdb.sql(SQL.format(table=files, end="['endpoint']")).fetchall()
    assert [tuple(row) for row in counted] == found
    first_day = await pool.fetchval("SELECT min(day) FROM archive_day")
    first = {900_000: begin_ms(first_day)}
    assert first == await archived_since(str(tmp_path), pool)()
    # A day that went unarchived, while the archive was disabled: what lies before it may not be whole.
    await pool.execute("DELETE FROM archive_day WHERE day = $1", (TODAY - 70 * DAY).date())
    assert {900_000: ms(TODAY - 69 * DAY)} == await archived_since(str(tmp_path), pool)()


async def test_the_queries_answer_over_both(dsn: str, stack: Stack, tmp_path: Path) -> None:
    """`POST /v1/query` with `TIDEGAUGE_ARCHIVE`: the same before rows are dropped, and after."""
    address, prefix = str(tmp_path / "archive"), f"ar-{uuid4().hex[:8]}."
    addresses = (stack.kafka, dsn, stack.redis)
    running = await asyncio.to_thread(started, addresses, prefix, tmp_path, archive=address)
    try:
        await archiving.set_time(dsn, TODAY, prefix)
        mine = replace(await reader(dsn, running), tenant_id=2)
        await mine.write("UPDATE api_key SET tenant_id = 2 WHERE key_hash = sha256($1)", (mine.key.encode(),))
        before = await answers(mine)
        await archiving.archived(dsn, address)
        await archiving.keep_for(dsn, "rollup_15m", 20)
        await archiving.archived(dsn, address)
        await archiving.expired(dsn, "rollup_15m")
        after = await answers(mine)
    finally:
        running.remove()

    assert {200} == {status for status, _ in before}
    assert before == after


async def answers(of: Reader) -> list[tuple[int, Any]]:
    """Figures by label and day, in two zones."""
    question = {
        "metric": "api.response_seconds", "by": ["endpoint"], "aggregates": ["count", "p95", "uniques", "last"],
        "resolution": "1d", "from": ms(SINCE), "to": ms(UNTIL + DAY),
    }  # fmt: skip
    async with httpx2.AsyncClient(base_url=of.url, timeout=60, headers={"x-api-key": of.key}) as client:
        found = [
            await client.post("/v1/query", json={"questions": [question], "tz": zone})
            for zone in ("UTC", "America/Sao_Paulo")
        ]
    return [(one.status_code, one.json()["results"]) for one in found]
