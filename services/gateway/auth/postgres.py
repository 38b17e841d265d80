"""Fills the port for grants from Postgres, hears of changes of keys, and notes when keys were used.

Seconds. An absent server is `Unavailable`; who hears or notes goes on when it is back.
"""

import asyncio
from contextlib import suppress

from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from shared.errors import Unavailable
from shared.postgres.connections import Pool, connection, single
from shared.runtime.clock import monotonic_s
from shared.runtime.retry import spread

CHANNEL = "tidegauge_key"
"""Where Postgres tells of a key or a tenant that has changed: `key HASH` in hexadecimal digits, `tenant ID`."""

PROBE_S = 5.0
"""How often a connection that only listens is asked whether it is still one."""

RETRY_S = 3.0
"""Longest pause before another one is made."""

NOTE_S = 15.0
"""How often the use of keys is noted."""

FIND = """
SELECT tenant_id, scope, points_per_s, points_burst, max_series, origins, scrub
FROM api_key JOIN tenant USING (tenant_id)
WHERE key_hash = $1 AND (revoked_at IS NULL OR revoked_at > now())
"""
"""What a key gives; no row for an unknown or revoked one."""

USED = """
UPDATE api_key SET last_used_at = now()
WHERE key_hash = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
"""At most one write a minute for each key, whichever gateways it is used at."""


class PostgresGrants:
    """Keys in `api_key` and `tenant`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key with this SHA-256 gives, None for an unknown or revoked one."""
        async with connection(self._pool) as conn:
            row = await conn.fetchrow(FIND, key_hash)
        if row is None:
            return None
        tenant_id, scope, points_per_s, points_burst, max_series, origins, scrub = row
        return Grant(
            tenant_id, scope, points_per_s, points_burst, max_series, frozenset(origins), frozenset(scrub)
        )


class KeyChanges:
    """Has the cache look up again what has changed, at once; without it a change is heeded within a minute."""

    def __init__(self, dsn: str, key_cache: KeyCache) -> None:
        self._dsn = dsn
        self._key_cache = key_cache

    async def watch(self) -> None:
        """Listen for ever."""
        while True:
            with suppress(Unavailable):
                await self._listen()
            await asyncio.sleep(spread(RETRY_S))

    async def _listen(self) -> None:
        async with single(self._dsn) as conn:
            await conn.add_listener(CHANNEL, self._hear)
            self._key_cache.doubt(monotonic_s())  # nobody knows what was told before
            while True:
                await asyncio.sleep(PROBE_S)
                await conn.execute("SELECT 1")

    def _hear(self, _connection: object, _pid: int, _channel: str, message: object) -> None:
        kind, _, name = str(message).partition(" ")
        if kind == "key":
            self._key_cache.forget(bytes.fromhex(name))
        else:
            self._key_cache.doubt(monotonic_s(), int(name))


class KeyUses:
    """Notes in the table which keys were looked up, which happens twice a minute to a key in use."""

    def __init__(self, pool: Pool, key_cache: KeyCache) -> None:
        self._pool = pool
        self._key_cache = key_cache

    async def watch(self) -> None:
        """Note for ever."""
        while True:
            await asyncio.sleep(NOTE_S)
            with suppress(Unavailable):
                await self.note()

    async def note(self) -> None:
        """Note what was used since the last time; what cannot be noted now is noted then."""
        used = list(self._key_cache.used)
        if used:
            async with connection(self._pool) as conn:
                await conn.execute(USED, used)
            self._key_cache.used.difference_update(used)
