"""Ends the Postgres transactions that block the new owner of a partition.

Spans are seconds. Postgres ends an idle transaction, but not one whose client froze within a statement or a COPY; that
one would keep its row locks. Kafka has given the partition to the waiting process, so the blocking one has lost it, and
its work is replayed from the log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from shared.errors import Unavailable
from shared.postgres.connections import Connection, Pool, connection
from shared.runtime.retry import spread

PATIENCE_S = 2.0
"""How long a commit that is under way may take to finish."""

AGAIN_S = 0.5
"""Longest time between two checks of which sessions block."""

_END = """
SELECT count(pg_terminate_backend(blocking)) FROM unnest(pg_blocking_pids($1)) AS blocking
JOIN pg_stat_activity ON pid = blocking WHERE wait_event_type IS DISTINCT FROM 'Lock'
"""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def evicting(pool: Pool, conn: Connection) -> AsyncIterator[None]:
    """End sessions that block this connection for longer than `PATIENCE_S`, but not those that wait as it does."""
    task = asyncio.create_task(_evict(pool, conn.get_server_pid()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _evict(pool: Pool, blocked: int) -> None:
    await asyncio.sleep(PATIENCE_S)
    while True:
        try:
            async with connection(pool) as other:
                ended = await other.fetchval(_END, blocked)
        except Unavailable as problem:
            _log.warning("cannot see who blocks", problem=str(problem))
        else:
            if ended:
                _log.warning("transactions of a former owner ended", transactions=ended)
        await asyncio.sleep(spread(AGAIN_S))
