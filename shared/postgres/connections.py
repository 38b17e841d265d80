"""Connections to Postgres that never wait without end: pools for services, single ones for commands.

Limits are seconds. Errors come out as `errors.guard` maps them. Each new connection reads the address anew, and the
password file that it may name: so a host that has moved and a password that was rotated need no restart.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import structlog

from shared.errors import Unavailable
from shared.postgres.errors import breaks_connection, guard

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
SingleConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
AnyConnection: TypeAlias = "Connection | SingleConnection"

_log = structlog.get_logger(__name__)

COMMAND_S = 8.0
"""Outer bound on one statement: it holds even when the server is frozen and cannot answer a cancel."""

CONNECT_S = 5.0
"""Outer bound on a new connection and on the wait for a free one."""

STATEMENT_CHARACTERS = 300
"""Of a slow statement that are logged."""

SERVER_LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
"""Server-side limits: a worker that is frozen inside a transaction must not block its successor."""


async def pool(
    dsn: str,
    size: int,
    settings: Mapping[str, str] | None = None,
    *,
    writes: bool = True,
    slow_ms: int | None = None,
) -> Pool:
    """A pool of at most `size` connections, none opened yet; never fails for an absent server.

    `settings` are parameters of the server for these connections. No connection is made to a standby, nor, with
    `writes`, to a server that is read-only. A statement that takes `slow_ms` is logged, without its arguments.
    """

    async def prepare(conn: Connection) -> None:
        if slow_ms is not None:
            conn.add_query_logger(lambda record: log_slow(record, slow_ms))

    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_S,
        command_timeout=COMMAND_S,
        max_inactive_connection_lifetime=60,
        target_session_attrs="read-write" if writes else "primary",
        server_settings=SERVER_LIMITS | dict(settings or {}),
        init=prepare,
    )


def log_slow(record: Any, slow_ms: int) -> None:
    """Log a statement that took so long; as an error where it took ten times as long."""
    took_ms = record.elapsed * 1000
    if took_ms >= slow_ms:
        log = _log.error if took_ms >= 10 * slow_ms else _log.warning
        log(
            "slow query",
            took_ms=round(took_ms),
            statement=" ".join(record.query.split())[:STATEMENT_CHARACTERS],
        )


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool under all limits; errors of an absent server come out as `Unavailable`.

    One whose server has become read-only is closed, so that the next one is made to whoever the address names by then.
    """
    with guard():
        async with pool.acquire(timeout=CONNECT_S) as conn:
            try:
                yield conn
            except Exception as problem:
                if breaks_connection(problem):
                    conn.terminate()
                raise


@asynccontextmanager
async def single(dsn: str, *, command_s: float = CONNECT_S) -> AsyncIterator[SingleConnection]:
    """A connection of its own for a command; it is closed at the end. Raises as `connection` does."""
    with guard():
        conn = await asyncpg.connect(dsn, timeout=CONNECT_S, command_timeout=command_s)
        try:
            yield conn
        finally:
            conn.terminate()


async def reachable(pool: Pool) -> bool:
    """Whether Postgres answers a trivial query within two seconds."""
    try:
        async with asyncio.timeout(2), connection(pool) as conn:
            await conn.fetchval("SELECT 1")
    except (Unavailable, TimeoutError):
        return False
    return True
