"""Maintenance of tables: partitions ahead of time, and an end to rows past retention.

Each service names the statements that keep its own tables; any number of workers may run them at once. Spans are
seconds. The law: a worker takes no work before its tables were kept once, and a missed look does no harm.
"""

import asyncio
from collections.abc import Sequence

import structlog

from shared.errors import Unavailable
from shared.runtime.lifecycle import background
from shared.runtime.postgres import Pool, connection

EVERY_S = 3600.0
"""Time between two looks."""

_RETRY_S = 1.0

_log = structlog.get_logger(__name__)


async def keep(pool: Pool, statements: Sequence[str]) -> None:
    """Run the statements once. Raises `Unavailable`."""
    async with connection(pool) as conn:
        for statement in statements:
            await conn.execute(statement)


async def begin(pool: Pool, statements: Sequence[str], stopping: asyncio.Event) -> None:
    """Wait until the tables could be kept, then keep them in the background; returns early when `stopping` is set."""
    while not stopping.is_set():
        try:
            await keep(pool, statements)
        except Unavailable as problem:
            _log.warning("waiting for Postgres", problem=str(problem))
            await asyncio.sleep(_RETRY_S)
        else:
            background(_go_on(pool, statements), "maintenance")
            return


async def _go_on(pool: Pool, statements: Sequence[str]) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await keep(pool, statements)
        except Unavailable as problem:
            _log.warning("maintenance put off", problem=str(problem))
