"""Fixtures of tests that need a database without our tables."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from deploy.local.stack import Stack


@pytest_asyncio.fixture
async def dsn(stack: Stack) -> AsyncIterator[str]:
    """An empty database of this test's own."""
    name = f"t{secrets.token_hex(4)}"
    admin = await asyncpg.connect(stack.postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    yield stack.postgres.rpartition("/")[0] + "/" + name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
