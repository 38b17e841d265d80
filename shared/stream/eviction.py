"""Ends the transactions that stand in a new owner's way.

Spans are seconds. Postgres ends a transaction that idles, but not one whose client froze within a statement or a COPY,
and that would hold its rows for ever. The law: who waits for a partition was given it, so whoever holds it has lost it;
what is ended here is replayed by the one who waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from shared.errors import Unavailable
from shared.postgres.connections import Connection, Pool, connection
from shared.runtime.retry import spread

PATIENCE_S = 2.0
"""How long a commit that is under way may take to its end."""

AGAIN_S = 0.5
"""Longest time between two looks at who blocks."""

_END = """
SELECT count(pg_terminate_backend(blocking)) FROM unnest(pg_blocking_pids($1)) AS blocking
JOIN pg_stat_activity ON pid = blocking WHERE wait_event_type IS DISTINCT FROM 'Lock'
"""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def evicting(pool: Pool, conn: Connection) -> AsyncIterator[None]:
    """Within the block, whoever blocks this connection for long is ended; those who wait as it does are not."""
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
