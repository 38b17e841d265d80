"""What a fake memory of bindings and the one in Redis both promise."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_bytes
from typing import cast

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from services.gateway.adapters.redis_bindings import HELD_MS, RedisBindings
from services.gateway.domain.identity import Identity
from services.gateway.ports import Bindings
from shared.errors import Unavailable
from shared.runtime import redis
from tests.support.bindings import FakeBindings

pytestmark = pytest.mark.servers

LARGE = (1 << 64) - 1


@pytest_asyncio.fixture
async def client(stack: Stack) -> AsyncIterator[redis.Client]:
    """The cache."""
    made = redis.client(stack.redis)
    yield made
    await made.aclose()


@pytest.fixture(params=["fake", "redis"])
def bindings(request: pytest.FixtureRequest) -> Bindings:
    """Both memories."""
    if request.param == "fake":
        return FakeBindings()
    return RedisBindings(cast("redis.Client", request.getfixturevalue("client")))


def batch(body: int, name: bytes | None = None) -> Identity:
    """A batch with a key."""
    return Identity(name or token_bytes(16), body, keyed=True)


@pytest.mark.parametrize("body", [0, 48, LARGE], ids=["least", "of digits", "most"])
async def test_a_key_stands_for_the_first_body(bindings: Bindings, body: int) -> None:
    """However often that one comes; another is refused, other keys are free."""
    mine = batch(body)

    assert await bindings.bind(mine)
    assert await bindings.bind(mine)
    assert not await bindings.bind(batch(body ^ 1, mine.batch_id))
    assert await bindings.bind(batch(body ^ 1))


async def test_a_released_key_is_free(bindings: Bindings) -> None:
    """Nothing of the batch came into the log, so that the client may mend it."""
    mine = batch(5)
    await bindings.bind(mine)

    await bindings.release(mine)

    assert await bindings.bind(batch(6, mine.batch_id))


async def test_a_key_is_held_while_one_of_its_attempts_may_be_in_the_log(bindings: Bindings) -> None:
    """One that was refused releases its own binding only."""
    mine = batch(5)
    for _ in range(3):
        await bindings.bind(mine)
    for _ in range(2):
        await bindings.release(mine)

    free = await bindings.bind(batch(6, mine.batch_id))
    await bindings.release(mine)

    assert (False, True) == (free, await bindings.bind(batch(6, mine.batch_id)))


async def test_a_release_is_of_its_own_body(bindings: Bindings) -> None:
    """One that comes late takes no binding of another body, and none that is not there."""
    mine, other = batch(5), batch(6)
    await bindings.release(other)
    await bindings.bind(mine)

    await bindings.release(Identity(mine.batch_id, 6, keyed=True))

    assert not await bindings.bind(batch(7, mine.batch_id))


async def test_of_many_bodies_at_once_one_has_the_key(bindings: Bindings) -> None:
    """Whatever the order in which they are asked for."""
    key = token_bytes(16)

    found = await asyncio.gather(*(bindings.bind(batch(body, key)) for body in range(1200)))

    assert 1 == sum(found)


async def test_of_two_gateways_one_has_the_key(stack: Stack) -> None:
    """They share nothing but Redis."""
    clients = [redis.client(stack.redis) for _ in range(2)]
    doors = [RedisBindings(one) for one in clients]
    key = token_bytes(16)

    found = await asyncio.gather(*(door.bind(batch(at, key)) for at, door in enumerate(doors)))

    assert 1 == sum(found)
    await asyncio.gather(*(one.aclose() for one in clients))


async def test_a_claim_dies_by_itself(client: redis.Client) -> None:
    """Redis is not filled with keys that nobody repeats."""
    mine = batch(5)
    bindings = RedisBindings(client, "mine.")
    await bindings.bind(mine)
    await bindings.bind(mine)
    await bindings.release(mine)

    left_ms = await client.pttl(b"mine.batch:" + mine.batch_id)

    assert HELD_MS - 60_000 < left_ms <= HELD_MS


async def test_an_absent_redis_is_unavailable_and_not_asked_again_at_once() -> None:
    """No request waits for what is not there."""
    bindings = RedisBindings(redis.client("redis://127.0.0.1:1/0"))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await bindings.bind(batch(5))
    with pytest.raises(Unavailable):
        await bindings.release(batch(5))
