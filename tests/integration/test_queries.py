"""What analysts copy out of the handbook works."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.folder import ROOT
from deploy.local.stack import Stack

pytestmark = pytest.mark.servers

QUERIES = re.findall(r"```sql\n(.*?)```", Path(ROOT, "docs/QUERIES.md").read_text(), re.DOTALL)

SERIES = """
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels) VALUES
    (1, 1, 'api.response_seconds', 'delta', 's', '{"endpoint": "/checkout"}'),
    (2, 1, 'users.active', 'delta', '', '{}'),
    (3, 1, 'events.count', 'delta', '', '{"type": "error"}'),
    (4, 1, 'network.sent_bytes', 'cumulative', 'By', '{"host": "a"}')
"""

ROWS = """
INSERT INTO {} (window_start, series_id, revision, late_count, count, sum, watermark, sketch_bucket, sketch_weight,
                distinct_sketch, extremes_estimated, samples)
SELECT date_trunc('minute', now()) - interval '2 minutes', series_id, 1, 1, 2, 8, now(), '{{12000, 12050}}', '{{1, 1}}',
       '\\x000701010502', true, 20
FROM generate_series(1, 4) AS series_id
"""


@pytest_asyncio.fixture
async def tables(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that sees a row of each kind of series in every tier, and takes all of it back."""
    connection = await asyncpg.connect(stack.postgres)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(SERIES)
    for table in ("rollup_10s", "rollup_1m", "rollup_15m"):
        await connection.execute(ROWS.format(table))
    await connection.execute("UPDATE rollup_10s SET kept_up = false WHERE series_id = 1")
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_query_of_the_handbook_answers(
    tables: "asyncpg.Connection[asyncpg.Record]", query: str
) -> None:
    """With at least one row, on tables as the services leave them."""
    assert await tables.fetch(query)
