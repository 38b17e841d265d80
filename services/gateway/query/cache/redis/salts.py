"""Salts of tenants and metrics, which all processes know: what was cleared has other keys from then on.

Seconds of a clock that only grows, milliseconds UTC. Salts only grow: a Redis that has lost them changes nothing.
"""

from collections.abc import Callable
from typing import cast

from services.gateway.auth.bounded_map import BoundedMap
from services.gateway.query.cache.redis.breaker import Breaker
from shared.runtime.redis import Client

SALT_S = 2.0
"""Within so many seconds each process knows what another has cleared."""

SALTS_S = 2 * 86_400
"""How long salts are kept: longer than any entry."""

MAX_TENANTS = 10_000
"""Tenants whose salts are remembered."""

_ALL = ""
"""In place of a metric: all of them."""


class RedisSalts:
    """Salts of tenants and metrics: when each was cleared last."""

    def __init__(
        self,
        client: Client,
        breaker: Breaker,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
        prefix: str = "",
    ) -> None:
        self._client = client
        self._breaker = breaker
        self._clock = clock
        self._wall_ms = wall_ms
        self._prefix = prefix
        self._known: BoundedMap[int, dict[str, int]] = BoundedMap(MAX_TENANTS)
        self._asked_s: BoundedMap[int, float] = BoundedMap(MAX_TENANTS)

    async def salt(self, tenant_id: int, metric: str) -> str:
        """What the keys of its entries are made with."""
        if self._clock() - self._asked_s.get(tenant_id, float("-inf")) >= SALT_S:
            self._asked_s[tenant_id] = self._clock()
            found = await self._breaker.ask(lambda: self._all(tenant_id))
            for name, salt in (found or {}).items():
                self._raise(tenant_id, name.decode(), int(salt))
        known = self._known.get(tenant_id, {})
        return f"{known.get(_ALL, 0)}.{known.get(metric, 0)}"

    async def clear(self, tenant_id: int, metric: str | None) -> bool:
        """Make other keys from now on, of one metric or all; whether the other processes will know of it."""
        name, salt = metric or _ALL, self._wall_ms()
        self._raise(tenant_id, name, salt)

        async def known() -> bool:
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hset(self._key(tenant_id), name, str(salt))
                pipe.expire(self._key(tenant_id), SALTS_S)
                await pipe.execute()
            return True

        return await self._breaker.ask(known) is True

    async def _all(self, tenant_id: int) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", await self._client.hgetall(self._key(tenant_id)))

    def _raise(self, tenant_id: int, name: str, salt: int) -> None:
        known = self._known.get(tenant_id) or {}
        self._known[tenant_id] = known | {name: max(salt, known.get(name, 0))}

    def _key(self, tenant_id: int) -> str:
        return f"{self._prefix}cache:salt:{tenant_id}"
