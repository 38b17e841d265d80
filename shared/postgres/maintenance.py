"""Maintenance of tables: it creates partitions ahead of time and deletes rows past retention.

Spans are seconds. Each service names the statements for its own tables; any number of workers may run them at once. A
worker takes no records before its first maintenance has succeeded. A later run that fails is repeated.
"""

import asyncio
from collections.abc import Sequence

from shared.errors import Unavailable
from shared.postgres.connections import Pool, connection
from shared.runtime.lifecycle import background
from shared.runtime.retry import attempts, spread

EVERY_S = 3600.0
"""Longest time between two runs."""


async def keep(pool: Pool, statements: Sequence[str]) -> None:
    """Run the statements once. Raises `Unavailable`."""
    async with connection(pool) as conn:
        for statement in statements:
            await conn.execute(statement)


async def begin(pool: Pool, statements: Sequence[str], stopping: asyncio.Event) -> None:
    """Wait until the tables could be kept, then keep them in the background; returns early when `stopping` is set."""
    async for attempt in attempts("waiting for Postgres", Unavailable):
        with attempt:
            if stopping.is_set():
                return
            await keep(pool, statements)
    background(_go_on(pool, statements), "maintenance")


async def _go_on(pool: Pool, statements: Sequence[str]) -> None:
    while True:
        await asyncio.sleep(spread(EVERY_S))
        async for attempt in attempts("maintenance put off", Unavailable):
            with attempt:
                await keep(pool, statements)
