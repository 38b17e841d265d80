"""What all processes of an installation share: the table `installation`, one row that the migrations make.

The secret keys series ids, so that no client can make two series collide. It never changes, for series are routed and
stored by their ids.
"""

import asyncio

from shared.errors import Unavailable
from shared.postgres.connections import AnyConnection, Pool, connection
from shared.runtime.retry import attempts

_SECRET = "SELECT series_secret FROM installation"  # noqa: S105 # a statement


async def series_secret(pool: Pool, stopping: asyncio.Event) -> bytes:
    """The secret, 32 bytes or none; waits until Postgres answers, or until `stopping` is set and then says none."""
    async for attempt in attempts("waiting for Postgres", Unavailable):
        with attempt:
            if stopping.is_set():
                break
            return await secret_now(pool)
    return b""


async def secret_now(pool: Pool) -> bytes:
    """The secret; raises `Unavailable` where Postgres does not answer."""
    async with connection(pool) as conn:
        return await secret_of(conn)


async def secret_of(conn: AnyConnection) -> bytes:
    """The secret, as this connection reads it."""
    return bytes(await conn.fetchval(_SECRET))
