"""What a fake memory of bodies that grow and the one in Redis both promise."""

from secrets import token_bytes
from typing import cast

import pytest

from services.gateway.intake.adapters.redis import HELD_MS, MOST_BODIES, RedisGrowingBodies
from services.gateway.intake.domain.growing_body import Prefix, prefix_of
from services.gateway.intake.ports import GrowingBodies
from shared.errors import Unavailable
from shared.runtime import redis
from tests.support.growing import FakeGrowingBodies

pytestmark = pytest.mark.servers


@pytest.fixture(params=["fake", "redis"])
def growing(request: pytest.FixtureRequest) -> GrowingBodies:
    """Both memories."""
    if request.param == "fake":
        return FakeGrowingBodies()
    return RedisGrowingBodies(cast("redis.Client", request.getfixturevalue("redis_client")))


async def test_a_body_is_told_to_those_that_come_after_it(growing: GrowingBodies) -> None:
    """Each once, in their order, and to those of its name alone."""
    name, first, second = token_bytes(16), prefix_of(b"a\n"), Prefix(1 << 40, token_bytes(16))

    found = [await growing.earlier(name, each) for each in (first, first, second, second)]

    assert [[], [first], [first], [first, second]] == found
    assert [] == await growing.earlier(token_bytes(16), first)


async def test_the_oldest_makes_room_and_all_expire(redis_client: redis.Client) -> None:
    """So that a client that never succeeds fills nothing."""
    growing, name = RedisGrowingBodies(redis_client, "full."), token_bytes(16)

    for length in range(MOST_BODIES + 2):
        found = await growing.earlier(name, Prefix(length, bytes(16)))

    assert MOST_BODIES == len(found)
    assert 1 == found[0].length
    assert 0 < await redis_client.pttl(b"full.growing:" + name) <= HELD_MS


async def test_without_redis_it_is_unavailable_at_once() -> None:
    """And does not ask again for a while."""
    growing = RedisGrowingBodies(redis.client("redis://127.0.0.1:1/0"))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await growing.earlier(bytes(16), prefix_of(b""))
