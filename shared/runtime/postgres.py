"""Connections to Postgres that never wait without end, and its errors at our border.

Seconds for limits. The law: a server that is down, frozen or too slow is `Unavailable`; everything else that
Postgres refuses is a bug in a statement of ours and ends the process.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import asyncpg

from shared.errors import Unavailable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

COMMAND_S = 8.0
"""Outer bound on one statement: it holds even when the server is frozen and cannot answer a cancel."""

CONNECT_S = 5.0
"""Outer bound on a new connection and on the wait for a free one."""

SERVER_LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
"""Server-side limits: a worker that is frozen inside a transaction must not block its successor."""

_DOWN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # What asyncpg says of a session that the server has ended, until it has also seen the connection close.
    asyncpg.InternalClientError,
)


@contextmanager
def guard() -> Iterator[None]:
    """Turn the errors of an absent, empty or overwhelmed Postgres into `Unavailable`."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise Unavailable("postgres", f"{error}; `tidegauge migrate` makes what is missing") from error
    except _DOWN as error:
        if isinstance(error, ValueError):  # asyncpg's word for an argument of a wrong type: a bug of ours
            raise
        raise Unavailable("postgres", repr(error)) from error


async def pool(dsn: str, size: int, **settings: str) -> Pool:
    """A pool of at most `size` connections, none opened yet; never fails for an absent server.

    `settings` are parameters of the server for these connections.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_S,
        command_timeout=COMMAND_S,
        max_inactive_connection_lifetime=60,
        server_settings=SERVER_LIMITS | settings,
    )


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool under all limits; errors of an absent server come out as `Unavailable`."""
    with guard():
        async with pool.acquire(timeout=CONNECT_S) as conn:
            yield conn


async def reachable(pool: Pool) -> bool:
    """Whether Postgres answers a trivial query within two seconds."""
    try:
        async with asyncio.timeout(2), connection(pool) as conn:
            await conn.fetchval("SELECT 1")
    except (Unavailable, TimeoutError):
        return False
    return True
