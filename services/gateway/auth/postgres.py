"""Fills the port for grants from Postgres.

An absent server is `Unavailable`.
"""

from services.gateway.auth.ports import Grant
from shared.postgres.connections import Pool, connection

FIND = """
SELECT tenant_id, scope, points_per_s, points_burst, max_series
FROM api_key JOIN tenant USING (tenant_id)
WHERE key_hash = $1 AND revoked_at IS NULL
"""
"""What a key gives; no row for an unknown or revoked one."""


class PostgresGrants:
    """Keys in `api_key` and `tenant`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key with this SHA-256 gives, None for an unknown or revoked one."""
        async with connection(self._pool) as conn:
            row = await conn.fetchrow(FIND, key_hash)
        return None if row is None else Grant(*row)
