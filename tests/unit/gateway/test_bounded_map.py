"""What the gateway remembers for a while: never more than it may, and what made room is counted."""

import asyncio
import json

import pytest

from services.gateway.auth.bounded_map import BoundedMap
from services.gateway.auth.key_cache import KeyCache
from services.gateway.auth.ports import Grant
from services.gateway.intake.adapters.redis import RedisIdempotencyClaims
from services.gateway.intake.domain.idempotency import Identity
from services.gateway.intake.domain.ledger import admitted
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.domain.tenant_limits import TenantLimits
from services.gateway.intake.publish.broker_clock import BrokerClock
from services.gateway.intake.publish.event_batches import EventBatches, EventIntakeBatch
from services.gateway.intake.publish.publisher import MAX_BATCHES_WAITING, KafkaPublisher
from shared.errors import Unavailable
from shared.runtime import redis
from tests.support.decoding import native_points
from tests.support.logs import FakeLog

BELOW_AT_ABOVE = pytest.mark.parametrize(
    ("count", "evicted"),
    [pytest.param(2, 0, id="below"), pytest.param(3, 0, id="at"), pytest.param(4, 1, id="above")],
)


class EveryKey:
    """Knows every key; each belongs to a tenant of its own."""

    async def find(self, key_hash: bytes) -> Grant | None:
        """What the key gives."""
        return Grant(key_hash[0], "write", 10.0, 20.0)


@BELOW_AT_ABOVE
def test_beyond_its_bound_a_map_forgets_the_oldest(count: int, evicted: int) -> None:
    """Below and at the bound all entries are there; above it the one that was set longest ago is not."""
    memory: BoundedMap[int, str] = BoundedMap(3)

    for key in range(count):
        memory[key] = str(key)

    assert list(range(evicted, count)) == list(memory)
    assert evicted == memory.evicted


def test_what_is_set_again_is_the_newest() -> None:
    """It does not make room for the next one, and takes none of its own."""
    memory: BoundedMap[str, int] = BoundedMap(2)
    memory["a"] = memory["b"] = 1

    memory["a"] = 2
    memory["c"] = 3

    assert ({"a": 2, "c": 3}, 1) == (dict(memory), memory.evicted)


@BELOW_AT_ABOVE
async def test_keys_buckets_and_active_series_are_bounded(count: int, evicted: int) -> None:
    """A key that was forgotten is looked up again when it comes."""
    limits = TenantLimits(max_tenants=3)
    key_cache = KeyCache(EveryKey(), limits.granted, max_keys=3)

    for tenant_id in range(count):
        await key_cache.find(bytes([tenant_id]), 0.0)
    keys, (buckets, _) = key_cache.bound, limits.bounds()

    assert (min(count, 3), evicted) == (keys.used(), keys.evicted())
    assert (min(count, 3), evicted) == (buckets.used(), buckets.evicted())
    assert [None] * evicted == [key_cache.known(bytes([one]), 0.0) for one in range(evicted)]


@BELOW_AT_ABOVE
def test_active_series_of_tenants_are_bounded(count: int, evicted: int) -> None:
    """A tenant whose active series were forgotten is judged anew."""
    series_limiter = SeriesLimiter(max_tenants=3)

    for tenant_id in range(count):
        series_limiter.at(tenant_id, 0)
    bound = series_limiter.bound()

    assert (min(count, 3), 3, evicted) == (bound.used(), bound.limit, bound.evicted())


@BELOW_AT_ABOVE
async def test_claims_beyond_the_bound_are_let_in_unasked(count: int, evicted: int) -> None:
    """The aggregator tells repeats apart all the same."""
    claims = RedisIdempotencyClaims(redis.client("redis://127.0.0.1:9"), max_waiting=3)

    # Tasks begin in order, and the one that asks Redis after all of them.
    asked = [
        asyncio.create_task(claims.claim_idempotency_key(Identity(bytes(16), at))) for at in range(count)
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    bound = claims.bound()

    assert [Unavailable] * count == [type(answer) for answer in answers]
    assert (0, 3, evicted) == (bound.used(), bound.limit, bound.evicted())


async def test_a_publisher_takes_no_more_requests_than_may_wait() -> None:
    """Requests that were refused as a whole wait to be said for the ledger, and are bounded too."""
    publisher = KafkaPublisher(
        "", "topic", EventBatches, BrokerClock(1000), FakeLog(), deadline_ms=1000, stall_ms=1000
    )
    refused = EventIntakeBatch([], 0, admitted(1, 0, []))
    for _ in range(MAX_BATCHES_WAITING - 1):
        publisher.note(refused)
    below = publisher.refusal()

    publisher.note(refused)

    assert "the producer has not started" == below
    assert "too many requests wait for a flush" == publisher.refusal()
    assert MAX_BATCHES_WAITING == publisher.bound("points").used()


@pytest.mark.parametrize(
    ("count", "forgotten"),
    [pytest.param(2, 0, id="below"), pytest.param(3, 3, id="at"), pytest.param(4, 4, id="above")],
)
def test_a_full_memory_of_series_is_forgotten_as_a_whole(count: int, forgotten: int) -> None:
    """With the next request, so that what came at once is served."""
    decoder = native_points(1000, 3)
    for names in (range(count), range(1)):
        points = [{"name": f"m{name}", "value": 1, "ts": 1_760_000_000_000} for name in names]
        decoder.decode(json.dumps({"points": points}).encode(), 1, 1_760_000_000_000)

    assert (forgotten, 1 if forgotten else count) == (decoder.bound().evicted(), decoder.bound().used())
