"""Keys: how long a grant is good, and what a look-up costs."""

import asyncio
from dataclasses import replace

import pytest

from services.gateway.auth.key_cache import (
    FRESH_S,
    MAX_UNKNOWN,
    REFRESH_S,
    RETRY_S,
    STALE_S,
    UNKNOWN_S,
    KeyCache,
)
from services.gateway.auth.lookup_limit import ADDRESS_MISSES, MAX_MISSES, SPAN_S
from services.gateway.auth.ports import Grant
from services.gateway.intake.domain.tenant_limits import TenantLimits
from shared.errors import Unavailable

GRANT = Grant(1, "write", 10.0, 20.0)


class FakeGrants:
    """Knows the keys in a dict; can be taken away."""

    def __init__(self) -> None:
        self.known = {b"key": GRANT}
        self.up = True
        self.asked = 0

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key gives."""
        self.asked += 1
        await asyncio.sleep(0)
        if not self.up:
            raise Unavailable("postgres", "away")
        return self.known.get(key_hash)


async def test_many_requests_with_a_new_key_are_one_look_up() -> None:
    """Concurrent look-ups of one key share one query."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)

    api_keys = await asyncio.gather(*(key_cache.find(b"key", 0) for _ in range(100)))

    assert (1, 1) == (grants.asked, len({id(api_key) for api_key in api_keys}))


async def test_an_unknown_key_costs_one_look_up_for_some_seconds() -> None:
    """It is remembered, and looked up again in time, or at once when it is said to have been made."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)

    found = [await key_cache.find(b"new", at_s) for at_s in (0, 1, UNKNOWN_S - 0.1)]
    grants.known[b"new"] = grants.known[b"told"] = GRANT
    await key_cache.find(b"other", 0)
    key_cache.forget(b"other")
    grants.known[b"other"] = GRANT

    assert ([None] * 3, 2) == (found, grants.asked)
    assert await key_cache.find(b"new", UNKNOWN_S) is not None
    assert await key_cache.find(b"other", 1) is not None


async def test_made_up_keys_cost_few_look_ups() -> None:
    """Of one address, and of many; a known key needs none, and a new one of another address is found."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await key_cache.find(b"key", 0)

    async def flood(addresses: int) -> int:
        before = grants.asked
        for at in range(20_000):
            key, address = b"%d %d" % (addresses, at), f"a{at % addresses}"
            if not key_cache.wait_s(key, address, 1.0):
                assert await key_cache.find(key, 1.0, address) is None
        return grants.asked - before

    assert ADDRESS_MISSES == await flood(1)
    assert 0.0 == key_cache.wait_s(b"key", "a0", 1.0)
    assert 0.0 == key_cache.wait_s(b"another", "b", 1.0)
    assert MAX_MISSES == ADDRESS_MISSES + await flood(1000)
    assert 0.0 < key_cache.wait_s(b"another", "b", 1.0) <= SPAN_S
    assert 0.0 == key_cache.wait_s(b"another", "b", 1.0 + SPAN_S)


async def test_many_requests_with_one_wrong_key_are_one_miss() -> None:
    """They share a look-up, so that a client that is misconfigured blocks no new key of its address."""
    key_cache = KeyCache(FakeGrants())

    await asyncio.gather(*(key_cache.find(b"wrong", 0, "a") for _ in range(100)))

    assert 0.0 == key_cache.wait_s(b"new", "a", 0)


async def test_what_is_remembered_of_unknown_keys_is_bounded() -> None:
    """A flood from everywhere fills no memory."""
    key_cache = KeyCache(FakeGrants())

    assert MAX_UNKNOWN == key_cache.bound_unknown.limit


async def test_a_key_that_is_said_to_be_revoked_ends_at_once() -> None:
    """Also when it was being looked up meanwhile: what was found then is asked for again."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await key_cache.find(b"key", 0)
    del grants.known[b"key"]

    key_cache.forget(b"key")

    assert key_cache.known(b"key", 0) is None
    assert await key_cache.find(b"key", 0) is None


async def test_an_answer_that_a_change_has_overtaken_is_not_kept() -> None:
    """The key is looked up again when it comes the next time."""

    class OvertakenGrants(FakeGrants):
        async def find(self, key_hash: bytes) -> Grant | None:
            grant = await super().find(key_hash)
            key_cache.forget(key_hash)
            return grant

    key_cache = KeyCache(OvertakenGrants())

    assert await key_cache.find(b"key", 0) is not None
    assert key_cache.known(b"key", 0) is None


async def test_a_tenant_that_has_changed_is_looked_up_again() -> None:
    """With its next request, which need not wait; keys of others are not."""
    grants = FakeGrants()
    grants.known[b"other"] = replace(GRANT, tenant_id=2)
    key_cache = KeyCache(grants)
    await asyncio.gather(key_cache.find(b"key", 0), key_cache.find(b"other", 0))

    key_cache.doubt(1.0, 1)

    assert (True, False) == (key_cache.known(b"key", 1.0) is None, key_cache.known(b"other", 1.0) is None)


async def test_used_keys_are_noted() -> None:
    """Those that were found, by hash."""
    key_cache = KeyCache(FakeGrants())

    await key_cache.find(b"key", 0)
    await key_cache.find(b"unknown", 0)

    assert {b"key"} == key_cache.used


async def test_a_revoked_key_ends_when_its_grant_is_no_longer_fresh() -> None:
    """After 60 s a grant is not used without asking."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await key_cache.find(b"key", 0)
    grants.known.clear()

    assert await key_cache.find(b"key", FRESH_S + 1) is None
    assert await key_cache.find(b"key", FRESH_S + 1) is None


async def test_an_ageing_grant_is_renewed_beside_the_request() -> None:
    """Between 30 and 60 s a request does not wait for Postgres."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    first = await key_cache.find(b"key", 0)

    assert first is await key_cache.find(b"key", REFRESH_S + 1)
    await asyncio.gather(*key_cache._lookups.values())
    assert (2, True) == (grants.asked, key_cache.known(b"key", REFRESH_S + 2) is not None)


@pytest.mark.parametrize("age_s", [REFRESH_S + 1, FRESH_S + 1, STALE_S - 10])
async def test_known_keys_go_on_while_postgres_is_away(age_s: float) -> None:
    """For an hour, and failures are not repeated for each request."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await key_cache.find(b"key", 0)
    grants.up = False

    found = [await key_cache.find(b"key", age_s + at / 10) for at in range(10)]
    await asyncio.gather(*key_cache._lookups.values(), return_exceptions=True)

    assert (10, 2) == (sum(api_key is not None for api_key in found), grants.asked)
    await key_cache.find(b"key", age_s + RETRY_S + 0.5)
    await asyncio.gather(*key_cache._lookups.values(), return_exceptions=True)
    assert 3 == grants.asked


@pytest.mark.parametrize(
    ("key", "now_s"),
    [pytest.param(b"new", 0.0, id="new key"), pytest.param(b"key", STALE_S + 1, id="after an hour")],
)
async def test_without_postgres_and_memory_nothing_is_granted(key: bytes, now_s: float) -> None:
    """What cannot be known is unavailable, not refused."""
    grants = FakeGrants()
    key_cache = KeyCache(grants)
    await key_cache.find(b"key", 0)
    grants.up = False

    with pytest.raises(Unavailable):
        await key_cache.find(key, now_s)


async def test_a_changed_limit_of_series_is_heeded_without_a_restart() -> None:
    """It comes with the next look-up of a key."""
    grants = FakeGrants()
    limits = TenantLimits()
    key_cache = KeyCache(grants, limits.granted)
    await key_cache.find(b"key", 0)
    before = limits.series_limiter.at(1, 0).limit

    grants.known[b"key"] = replace(GRANT, max_series=7)
    await key_cache.find(b"key", FRESH_S + 1)

    assert (10_000, 7) == (before, limits.series_limiter.at(1, 0).limit)


async def test_keys_of_one_tenant_share_one_allowance() -> None:
    """A second key gives no second bucket."""
    grants = FakeGrants()
    grants.known[b"other"] = GRANT
    limits = TenantLimits()
    key_cache = KeyCache(grants, limits.granted)
    first, second = await key_cache.find(b"key", 0), await key_cache.find(b"other", 0)
    assert first is not None
    assert second is not None

    limits.take(first.grant, 20, 0)

    assert limits.take(second.grant, 1, 0) > 0


async def test_gateways_that_began_together_look_up_apart() -> None:
    """The age at which a grant is looked up again, and the pause after a failure, are shortened by what is given."""
    grants = FakeGrants()
    key_cache = KeyCache(grants, spread=lambda period_s: period_s * 0.8)
    await key_cache.find(b"key", 0)
    grants.up = False

    seen = [key_cache.known(b"key", at_s) is not None for at_s in (REFRESH_S * 0.8 - 0.1, REFRESH_S * 0.8)]
    asked = []
    for at_s in (REFRESH_S * 0.8, REFRESH_S * 0.8 + RETRY_S * 0.8 - 0.1, REFRESH_S * 0.8 + RETRY_S * 0.8):
        await key_cache.find(b"key", at_s)
        await asyncio.gather(*key_cache._lookups.values(), return_exceptions=True)
        asked.append(grants.asked)

    assert [True, False] == seen
    assert [2, 2, 3] == asked
