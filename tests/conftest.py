"""Fixtures of all tests: one set of real servers a session."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import settings

from deploy.local.stack import Stack
from shared.postgres import connections
from shared.runtime import redis
from tests.support.stack import migrated

# No test asserts a wall time.
settings.register_profile("tidegauge", deadline=None)
settings.load_profile("tidegauge")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Postgres with its tables, and Redis; tests make topics under a prefix of their own."""
    with migrated(tmp_path_factory) as running:
        yield running


@pytest_asyncio.fixture
async def pool(stack: Stack) -> AsyncIterator[connections.Pool]:
    """Connections under the same limits as a service's."""
    made = await connections.pool(stack.postgres, 4)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def redis_client(stack: Stack) -> AsyncIterator[redis.Client]:
    """Redis, under the same limits as a service's."""
    made = redis.client(stack.redis)
    yield made
    await made.aclose()


UNCOUNTED = ("simulation", "properties")
"""Folders of tests that compute: counting their lines makes them four times slower, and others reach the same lines."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that nobody waits for them at the end."""
    items.sort(key=lambda item: "chaos" not in item.keywords)
    # Those of the page together: they share a system, which is started anew after any other test.
    items.sort(key=lambda item: "e2e/page/" in item.nodeid)
    for item in items:
        if item.nodeid.split("/")[1] in UNCOUNTED:
            item.add_marker("no_cover")
