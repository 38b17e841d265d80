"""The audit holds prepared groups against the rows of their series, and names what differs."""

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import asyncpg
import pytest

from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from deploy.postgres.prepared import comparison
from deploy.postgres.prepared.comparison import GroupTier
from shared.model.window import BASE_MS, TIERS_MS
from shared.postgres import connections
from shared.prepared.label_sets import NO_SETS
from tests.support.prepared import SETS, Topic

pytestmark = pytest.mark.servers


class Filled(NamedTuple):
    """A database with rows of three tiers, all but the first minutes prepared."""

    dsn: str
    topic: str
    tenant_id: int
    start_ms: int
    end_ms: int
    since_ms: int
    """Since when the finest tier is prepared."""


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Iterator[Filled]:
    """One for all tests, which leave it as it is."""
    name = f"groups_{secrets.token_hex(4)}"
    run_sync(_execute(stack.postgres, f"CREATE DATABASE {name}"))
    yield run_sync(_fill(stack.postgres.rpartition("/")[0] + "/" + name))
    run_sync(_execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def _fill(dsn: str) -> Filled:
    await migrate(dsn)
    pool = await connections.pool(dsn, 4)
    made = Topic(pool)
    await made.acquire(NO_SETS)
    await made.go_on(15)
    await made.acquire(SETS)
    await made.go_on(60)
    await made.acquire(SETS)
    since = [await part.since() for part in made.parts]
    since_ms = max(one for each in since for one in each.values())
    pool.terminate()
    first = made.parts[0]
    ends_ms = first.start_ms + made.at_ms - 60_000
    return Filled(
        dsn, first.key.topic, first.tenant_id, first.start_ms, ends_ms, first.start_ms + int(since_ms)
    )


async def compared(
    filled: Filled, statement: str = "SELECT", tenant_id: int | None = None
) -> dict[int, GroupTier]:
    """What the audit finds, by tier, after a statement that somebody runs by hand, which is taken back."""
    spans = {tier: (filled.start_ms, filled.end_ms - filled.end_ms % tier) for tier in TIERS_MS}
    async with connections.single(filled.dsn) as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute(statement)
        found = await comparison.compare(conn, filled.topic, spans, tenant_id)
        await transaction.rollback()
    return {one.resolution_ms: one for one in found}


async def test_groups_that_follow_their_rows_agree(filled: Filled) -> None:
    """Windows of before they were prepared are not looked at; late points and retractions are among the rest."""
    found = await compared(filled)

    assert [*TIERS_MS] == sorted(found)
    assert [[]] * 3 == [found[tier].mismatches for tier in TIERS_MS]
    assert found[BASE_MS].compared > 100
    assert filled.since_ms == found[BASE_MS].since_ms


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        pytest.param("UPDATE rollup_1m SET count = count + 1", {"count"}, id="count"),
        pytest.param("UPDATE rollup_1m SET sum = sum + 0.5", {"sum"}, id="sum"),
        pytest.param("UPDATE rollup_1m SET samples = samples + 1", {"samples"}, id="samples"),
        pytest.param("UPDATE rollup_1m SET revision = revision + 1", {"revision"}, id="revision"),
        pytest.param("UPDATE rollup_1m SET late_count = late_count + 1", {"late_count"}, id="late points"),
        pytest.param("UPDATE rollup_1m SET last = last + 1", {"last"}, id="last value"),
        pytest.param(
            "UPDATE rollup_1m SET sketch_weight[1] = sketch_weight[1] + 1 WHERE cardinality(sketch_weight) > 0",
            {"sketch"},
            id="sketch",
        ),
        pytest.param("UPDATE rollup_1m SET distinct_sketch = NULL", {"distinct_at", "register", "rank"}, id="strings"),
        pytest.param("DELETE FROM rollup_group_1m", set(), id="no groups"),
    ],
)  # fmt: skip
async def test_what_differs_is_named(filled: Filled, statement: str, columns: set[str]) -> None:
    """In which column; the tiers beside it agree still."""
    found = await compared(filled, statement)

    named = [one for tier in TIERS_MS for one in found[tier].mismatches]
    assert comparison.NAMED == len(found[60_000].mismatches) == len(named)
    assert columns == {column for one in named for column in one.columns}


async def test_groups_without_series_are_found(filled: Filled) -> None:
    """As of a window whose rows somebody has removed."""
    window = "(SELECT max(window_start) - interval '5 minutes' FROM rollup_1m)"
    found = await compared(filled, f"DELETE FROM rollup_1m WHERE window_start = {window}")
    (first, *_) = found[60_000].mismatches

    assert (None, ()) == (first.expected, first.columns)
    assert first.found is not None


async def test_one_tenant_alone_is_compared(filled: Filled) -> None:
    """Another has nothing that could differ."""
    statement = "UPDATE rollup_1m SET count = count + 1"
    mine = await compared(filled, statement, filled.tenant_id)
    other = await compared(filled, statement, 1)

    assert (comparison.NAMED, []) == (len(mine[60_000].mismatches), other[60_000].mismatches)
