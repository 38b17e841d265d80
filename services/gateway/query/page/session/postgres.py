"""Says of a key what the page shows of a session: the name of its tenant, and how it begins. Seconds.

One statement, by the primary key. Raises `Unavailable`.
"""

from typing import NamedTuple

from shared.postgres.connections import Pool, connection

SHOWN = "SELECT name, prefix FROM api_key JOIN tenant USING (tenant_id) WHERE key_hash = $1"
"""The tenant of a key and how it begins."""


class KeyNames(NamedTuple):
    """What a key is called."""

    tenant: str
    prefix: str


class PostgresKeyNames:
    """Names of keys in `api_key` and `tenant`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, key_hash: bytes) -> KeyNames:
        """The names of a key that somebody has just asked with."""
        async with connection(self._pool) as conn:
            row = await conn.fetchrow(SHOWN, key_hash)
        return KeyNames(*row) if row is not None else KeyNames("", "")
