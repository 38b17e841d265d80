"""What a fake memory of ids and the table both promise."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from random import SystemRandom

import pytest
import pytest_asyncio

from services.ingest.adapters.postgres import EventIds
from services.ingest.domain.dedup import DAY_MS, Id, day_of
from services.ingest.ports import Memory
from shared.postgres import connections
from shared.postgres.connections import Connection
from shared.runtime.clock import now_ms
from tests.support.memory import FakeMemory

pytestmark = pytest.mark.servers

Made = Callable[[list[tuple[Id, int]]], Awaitable[Memory]]
"""Makes a memory of ids, each with a day under which it is remembered."""

TODAY_MS = day_of(now_ms())


@pytest.fixture
def tenant_id() -> int:
    """A tenant that no other test knows."""
    return SystemRandom().randrange(1 << 40)


@pytest_asyncio.fixture
async def conn(pool: connections.Pool) -> AsyncIterator[Connection]:
    """A connection."""
    async with connections.connection(pool) as conn:
        yield conn


@pytest.fixture(params=["fake", "table"])
def memory(request: pytest.FixtureRequest, conn: Connection) -> Made:
    """Both memories."""

    async def fake(days: list[tuple[Id, int]]) -> Memory:
        latest: dict[Id, int] = {}
        for one, day_ms in days:
            latest[one] = max(day_ms, latest.get(one, day_ms))
        return FakeMemory(latest)

    async def table(days: list[tuple[Id, int]]) -> Memory:
        rows = [(*one, datetime.fromtimestamp(day_ms / 1000, UTC)) for one, day_ms in days]
        await conn.executemany("INSERT INTO event_id VALUES ($1, $2, $3)", rows)
        return EventIds(conn)

    return {"fake": fake, "table": table}[request.param]


async def test_known_ids_come_with_their_latest_day(memory: Made, tenant_id: int) -> None:
    """An id may stand under several days, when it was sent again after it had been forgotten."""
    twice, once, old = (tenant_id, "twice"), (tenant_id, "Ω'; --"), (tenant_id, "old")
    made = await memory(
        [(twice, TODAY_MS - 2 * DAY_MS), (twice, TODAY_MS), (once, TODAY_MS), (old, TODAY_MS - 3 * DAY_MS)]
    )
    wanted = [twice, (tenant_id, "never"), once, old, (tenant_id + 1, "twice")]

    assert {twice: TODAY_MS, once: TODAY_MS} == await made.known(wanted, TODAY_MS - 2 * DAY_MS)
    assert {twice: TODAY_MS, once: TODAY_MS, old: TODAY_MS - 3 * DAY_MS} == await made.known(
        wanted, TODAY_MS - 3 * DAY_MS
    )


async def test_an_id_may_be_asked_for_twice(memory: Made, tenant_id: int) -> None:
    """As when a batch holds it twice."""
    made = await memory([((tenant_id, "a"), TODAY_MS)])

    assert {(tenant_id, "a"): TODAY_MS} == await made.known([(tenant_id, "a")] * 2, TODAY_MS)


async def test_a_new_memory_knows_nothing(memory: Made, tenant_id: int) -> None:
    """However much is asked."""
    made = await memory([])

    assert {} == await made.known([(tenant_id, f"e{number}") for number in range(50_000)], 0)
