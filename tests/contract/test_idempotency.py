"""What a fake memory of claims and the one in Redis both promise."""

import asyncio
from secrets import token_bytes
from typing import cast

import pytest

from deploy.local.stack import Stack
from services.gateway.intake.adapters.redis import HELD_MS, RedisIdempotencyClaims
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.ports import IdempotencyClaims
from shared.errors import Unavailable
from shared.runtime import redis
from tests.support.idempotency import FakeIdempotencyClaims

pytestmark = pytest.mark.servers

LARGE = (1 << 64) - 1


@pytest.fixture(params=["fake", "redis"])
def claims(request: pytest.FixtureRequest) -> IdempotencyClaims:
    """Both memories."""
    if request.param == "fake":
        return FakeIdempotencyClaims()
    return RedisIdempotencyClaims(cast("redis.Client", request.getfixturevalue("redis_client")))


def batch(body: int, name: bytes | None = None) -> Identity:
    """A batch with a key."""
    return Identity(name or token_bytes(16), body, keyed=True)


@pytest.mark.parametrize("body", [0, 48, LARGE], ids=["least", "of digits", "most"])
async def test_a_key_stands_for_the_first_body(claims: IdempotencyClaims, body: int) -> None:
    """However often that one comes; another is refused, other keys are free."""
    mine = batch(body)

    assert await claims.claim_idempotency_key(mine)
    assert await claims.claim_idempotency_key(mine)
    assert not await claims.claim_idempotency_key(batch(body ^ 1, mine.batch_id))
    assert await claims.claim_idempotency_key(batch(body ^ 1))


async def test_a_released_key_is_free(claims: IdempotencyClaims) -> None:
    """Nothing of the batch came into the log, so that the client may mend it."""
    mine = batch(5)
    await claims.claim_idempotency_key(mine)

    await claims.release(mine)

    assert await claims.claim_idempotency_key(batch(6, mine.batch_id))


async def test_a_key_is_held_while_one_of_its_attempts_may_be_in_the_log(claims: IdempotencyClaims) -> None:
    """One that was refused releases its own claim only."""
    mine = batch(5)
    for _ in range(3):
        await claims.claim_idempotency_key(mine)
    for _ in range(2):
        await claims.release(mine)

    free = await claims.claim_idempotency_key(batch(6, mine.batch_id))
    await claims.release(mine)

    assert (False, True) == (free, await claims.claim_idempotency_key(batch(6, mine.batch_id)))


async def test_a_release_is_of_its_own_body(claims: IdempotencyClaims) -> None:
    """One that comes late takes no claim of another body, and none that is not there."""
    mine, other = batch(5), batch(6)
    await claims.release(other)
    await claims.claim_idempotency_key(mine)

    await claims.release(Identity(mine.batch_id, 6, keyed=True))

    assert not await claims.claim_idempotency_key(batch(7, mine.batch_id))


async def test_of_many_bodies_at_once_one_has_the_key(claims: IdempotencyClaims) -> None:
    """Whatever the order in which they are asked for."""
    key = token_bytes(16)

    found = await asyncio.gather(*(claims.claim_idempotency_key(batch(body, key)) for body in range(1200)))

    assert 1 == sum(found)


async def test_of_two_gateways_one_has_the_key(stack: Stack) -> None:
    """They share nothing but Redis."""
    clients = [redis.client(stack.redis) for _ in range(2)]
    doors = [RedisIdempotencyClaims(one) for one in clients]
    key = token_bytes(16)

    found = await asyncio.gather(
        *(door.claim_idempotency_key(batch(at, key)) for at, door in enumerate(doors))
    )

    assert 1 == sum(found)
    await asyncio.gather(*(one.aclose() for one in clients))


async def test_a_claim_dies_by_itself(redis_client: redis.Client) -> None:
    """Redis is not filled with keys that nobody repeats."""
    mine = batch(5)
    claims = RedisIdempotencyClaims(redis_client, "mine.")
    await claims.claim_idempotency_key(mine)
    await claims.claim_idempotency_key(mine)
    await claims.release(mine)

    left_ms = await redis_client.pttl(b"mine.batch:" + mine.batch_id)

    assert HELD_MS - 60_000 < left_ms <= HELD_MS


async def test_an_absent_redis_is_unavailable_and_not_asked_again_at_once() -> None:
    """No request waits for what is not there."""
    claims = RedisIdempotencyClaims(redis.client("redis://127.0.0.1:1/0"))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await claims.claim_idempotency_key(batch(5))
    with pytest.raises(Unavailable):
        await claims.release(batch(5))
