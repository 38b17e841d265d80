"""Keys of one tenant in `api_key`: the same statements as `tidegauge key`, within the tenant of who asks. Seconds.

Raises `Unavailable`; `Misconfigured` for origins that are none.
"""

from collections.abc import Sequence

from shared.access import api_keys
from shared.access.api_keys import Key, Scope
from shared.postgres.connections import Pool, connection

MAX_KEYS = 1_000
"""Keys of a tenant, those that have ended too."""

_TENANT = "SELECT name, (SELECT count(*) FROM api_key WHERE tenant_id = $1) FROM tenant WHERE tenant_id = $1"


class PostgresKeys:
    """Knows keys and changes them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self, tenant_id: int) -> list[Key]:
        """The keys of a tenant, the newest first."""
        async with connection(self._pool) as conn:
            return list(map(Key._make, await conn.fetch(api_keys.LIST_OF_TENANT, tenant_id, MAX_KEYS)))

    async def create(
        self, tenant_id: int, scope: Scope, origins: Sequence[str], key_name: str = ""
    ) -> str | None:
        """A new key; None: there is no room."""
        key = api_keys.new_key(scope)
        async with connection(self._pool) as conn, conn.transaction():
            name, count = await conn.fetchrow(_TENANT, tenant_id)
            if count >= MAX_KEYS:
                return None
            await api_keys.insert(conn, name, key, scope, origins, key_name=key_name)
        return key

    async def rotate(self, tenant_id: int, key_id: str, keep_s: float | None) -> str | None:
        """A successor, empty where there is one already; None: no such key is good."""
        async with connection(self._pool) as conn, conn.transaction():
            found = await api_keys.live_of_tenant(conn, tenant_id, key_id)
            if found is None:
                return None
            return "" if found.rotated_at is not None else await api_keys.rotate(conn, found, keep_s)

    async def revoke(self, tenant_id: int, key_id: str) -> bool:
        """End a key; whether there was one that is good."""
        async with connection(self._pool) as conn, conn.transaction():
            found = await api_keys.live_of_tenant(conn, tenant_id, key_id)
            if found is not None:
                await api_keys.revoke(conn, found)
        return found is not None
