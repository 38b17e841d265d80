"""What analysts copy out of the handbook works, asked by a reader, who sees the rows of its tenant alone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from deploy.postgres.roles import GRANTS
from shared.model.funnel import FUNNELS, Funnel
from tests.support.two_tenants import SHOP, TwoTenants, two_tenants

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="module")]

HANDBOOK = Path(ROOT, "docs/QUERIES.md").read_text()

QUERIES = re.findall(r"```sql\n(.*?)```", HANDBOOK, re.DOTALL)

OF_A_TENANT = "tenant = 'demo'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(stack: Stack) -> AsyncIterator[TwoTenants]:
    """Two tenants with a row of each kind, in every tier."""
    async with two_tenants(stack.postgres) as made:
        yield made


async def answers(address: str, *queries: str) -> list[list[tuple[object, ...]]]:
    """The rows of each query, at one instant."""
    conn = await asyncpg.connect(address)
    try:
        async with conn.transaction():
            return [[tuple(row) for row in await conn.fetch(query)] for query in queries]
    finally:
        await conn.close()


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_query_of_the_handbook_answers_for_its_tenant(both: TwoTenants, query: str) -> None:
    """With at least one row, to its reader; with the same rows where the tenant is left out; with none to another."""
    named, unnamed = await answers(both.demo, query, query.replace(OF_A_TENANT, "tenant IS NOT NULL"))
    (elsewhere,) = await answers(both.shop, query)

    assert OF_A_TENANT in query
    assert sorted(map(str, named)) == sorted(map(str, unnamed))
    assert named
    assert [] == [row for row in elsewhere if set(row) - {None, 0.0}]
    assert SHOP.mark not in str(named)


async def test_the_columns_that_the_handbook_names_are_there(both: TwoTenants) -> None:
    """Of each view that has them to itself."""
    rows = re.findall(r"^\| (`\w+`) \| (a.*?) \|", HANDBOOK, re.MULTILINE)
    for view, text in rows:
        columns = [name for name in re.findall(r"`(\w+)`", text) if name not in {"rule", "client"}]
        await answers(both.demo, f"SELECT {', '.join(columns) or '1'} FROM {view.strip('`')} LIMIT 1")

    assert len(rows) >= 5


async def test_every_view_of_times_has_a_time_and_a_tenant(both: TwoTenants) -> None:
    """So that a tool puts them on an axis, and a question names whose rows it asks for."""
    timeless = {"metric_series", "readable_tenant"}
    for view in GRANTS["reader"]:
        await answers(both.demo, f"SELECT tenant{'' if view in timeless else ', time'} FROM {view} LIMIT 1")


@pytest.mark.parametrize("funnel", FUNNELS.values(), ids=FUNNELS)
async def test_steps_of_funnels_bear_the_names_of_the_release(both: TwoTenants, funnel: Funnel) -> None:
    """The view knows them by itself; they are constants of `shared/model/funnel.py`."""
    conn = await asyncpg.connect(both.owner)
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute(
        "INSERT INTO funnel_entry (tenant_id, funnel, session_id, first_at, entered_at, reached, reached_at, "
        "out_of_order, step, step_at) "
        "SELECT 1, $1, 'whole', now(), now(), $2::integer, array_fill(now(), ARRAY[$2::integer]), 0, '{}', '{}'",
        funnel.name,
        len(funnel.steps),
    )
    found = await conn.fetch(
        "SELECT step_name FROM conversion_funnel WHERE session_id = 'whole' ORDER BY step"
    )
    await transaction.rollback()
    await conn.close()

    assert list(funnel.steps) == [row["step_name"] for row in found]
