"""A database with enough rows in every table that reading one from end to end costs more than an index."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.run_sync import run_sync
from deploy.local.stack import Stack
from deploy.postgres.migrate import migrate
from shared.postgres.connections import Pool
from tests.support.plans import Plans, explaining

ROWS = Path(__file__).with_name("rows.sql")


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Iterator[str]:
    """Address of the database."""
    name = f"plans_{secrets.token_hex(4)}"
    run_sync(_execute(stack.postgres, f"CREATE DATABASE {name}"))
    dsn = stack.postgres.rpartition("/")[0] + "/" + name
    run_sync(migrate(dsn))
    run_sync(_execute(dsn, ROWS.read_text()))
    yield dsn
    run_sync(_execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn: str, statements: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statements)
    finally:
        await conn.close()


@pytest_asyncio.fixture
async def pool_and_plans(filled: str) -> AsyncIterator[tuple[Pool, Plans]]:
    """A pool and the plans of what is asked through it."""
    async with explaining(filled) as both:
        yield both


@pytest.fixture
def pool(pool_and_plans: tuple[Pool, Plans]) -> Pool:
    """What adapters take their connections from."""
    return pool_and_plans[0]


@pytest.fixture
def plans(pool_and_plans: tuple[Pool, Plans]) -> Plans:
    """What Postgres did for them."""
    return pool_and_plans[1]
