"""What becomes of keys while a gateway runs: it hears of changes, and notes what was used."""

import hashlib
import secrets

import pytest

from deploy import api_keys
from deploy.local.stack import Stack
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.postgres import KeyUses, PostgresGrants
from shared.postgres import connections
from tests.support.http.gateway import Gateway, points
from tests.support.wait import until

pytestmark = pytest.mark.servers

HEARD_S = 10
"""Far below the half minute after which a key is looked up again unasked."""


async def test_a_gateway_heeds_at_once_what_becomes_of_a_key(stack: Stack, gateway: Gateway) -> None:
    """It is made after it was refused, and revoked after it was taken."""
    key = api_keys.new_key("write")

    async def answers(status: int) -> bool:
        return (await gateway.post(points([1]), key)).status_code == status

    assert await answers(401)
    await api_keys.create(stack.postgres, "gateway-keys", key, "write")
    await until(lambda: answers(202), "the key is known", HEARD_S)
    assert await answers(202)
    await api_keys.revoke(stack.postgres, key)
    await until(lambda: answers(401), "the key is revoked", HEARD_S)


async def test_a_key_is_for_the_pages_of_its_origins(stack: Stack, gateway: Gateway) -> None:
    """A beacon's from them alone, a write key from any server beside them."""
    beacon, write = api_keys.new_key("beacon"), api_keys.new_key("write")
    await api_keys.create(stack.postgres, "gateway-keys", beacon, "beacon", ["https://shop.example"])
    await api_keys.create(stack.postgres, "gateway-keys", write, "write", ["https://shop.example"])

    statuses = [
        [(await gateway.post(points([1]), key, **origin)).status_code for key in (beacon, write)]
        for origin in (
            {"origin": "https://shop.example"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {},
        )
    ]

    assert [[202, 202], [403, 403], [403, 403], [403, 202]] == statuses


@pytest.mark.usefixtures("gateway")
async def test_the_use_of_a_key_is_noted(stack: Stack) -> None:
    """When it is looked up; at most once a minute."""
    key = secrets.token_hex(16)
    await api_keys.create(stack.postgres, "gateway-keys", key, "write")
    pool = await connections.pool(stack.postgres, 1, writes=False)
    cache, digest = KeyCache(PostgresGrants(pool)), hashlib.sha256(key.encode()).digest()
    uses = KeyUses(pool, cache)

    async def noted() -> object:
        async with connections.connection(pool) as conn:
            return await conn.fetchval("SELECT last_used_at FROM api_key WHERE key_hash = $1", digest)

    before = await noted()
    await cache.find(digest, 0)
    await uses.note()
    first = await noted()
    cache.used.add(digest)
    await uses.note()

    assert (None, True) == (before, first is not None)
    assert (first, set()) == (await noted(), cache.used)
    pool.terminate()
