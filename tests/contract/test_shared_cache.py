"""What processes share of the cache: the fake and Redis keep the same promises."""

from collections.abc import AsyncIterator
from uuid import uuid4

import numpy as np
import pytest

from services.gateway.query.cache.entry import LONG_AGO, Entry
from services.gateway.query.cache.ports import Shared
from services.gateway.query.cache.redis.breaker import Breaker
from services.gateway.query.cache.redis.entries import RedisShared
from services.gateway.query.cache.redis.salts import SALT_S, RedisSalts
from services.gateway.query.cache.redis.shapes import RedisShapes
from services.gateway.query.questions.grouped import Group, Grouped
from shared.runtime import redis
from shared.runtime.clock import monotonic_s, now_ms
from tests.support.cached import Clock, MemoryShared
from tests.support.rows import rows_of
from tests.support.wait import until

pytestmark = pytest.mark.servers


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest, redis_client: redis.Client) -> Shared:
    """Entries for all processes."""
    if request.param == "memory":
        return MemoryShared(monotonic_s)
    return RedisShared(redis_client, Breaker(monotonic_s), f"{uuid4().hex}.")


def entry(rows: int = 3) -> Entry:
    """A block of so many groups."""
    groups = [Group("delta", "s", (("endpoint", f"/{i}"),)) for i in range(rows)]
    made = rows_of([(i, i * 60_000, [0.5, i + 1.0]) for i in range(rows)])
    return Entry(Grouped(60_000, groups, made), {0: 17, 3: 1 << 40}, now_ms(), monotonic_s())


@pytest.mark.parametrize("rows", [3, 5_000], ids=["small", "large"])
async def test_an_entry_is_what_was_kept(shared: Shared, rows: int) -> None:
    """But for when its load began: that is another process's."""
    kept = entry(rows)
    before = await shared.get(b"k")
    await shared.put(b"k", kept, 60)
    found = await shared.get(b"k")

    assert before is None
    assert found is not None
    assert (kept.as_of, kept.log_ms, kept.rows.groups, 60_000, LONG_AGO) == (
        found.as_of, found.log_ms, found.rows.groups, found.rows.tier_ms, found.began_s,
    )  # fmt: skip
    for name in ("slot", "start_ms", "sum", "samples", "sketch_at", "bucket", "weight"):
        np.testing.assert_array_equal(getattr(kept.rows.rollups, name), getattr(found.rows.rollups, name))
    assert await shared.get(b"other") is None


async def test_an_entry_ends_with_its_life(shared: Shared) -> None:
    """Without being asked for."""
    await shared.put(b"k", entry(), 0.2)

    async def is_gone() -> bool:
        return await shared.get(b"k") is None

    await until(is_gone, "the entry has ended", 10)


async def test_a_load_is_claimed_by_one(shared: Shared) -> None:
    """Until it is kept, or given up."""
    first = [await shared.claim(b"k"), await shared.claim(b"k"), await shared.claim(b"other")]
    await shared.put(b"k", entry(), 60)
    kept = await shared.claim(b"k")
    await shared.release(b"k")

    assert ([True, False, True], True, True) == (first, kept, await shared.claim(b"k"))


@pytest.fixture
async def nowhere() -> AsyncIterator[redis.Client]:
    """A Redis that does not answer."""
    made = redis.client("redis://127.0.0.1:9")
    yield made
    await made.aclose()


async def test_without_redis_nothing_is_known_and_nobody_waits(nowhere: redis.Client) -> None:
    """After a failure it is not asked for some seconds; then one asks whether it is back."""
    clock = Clock()
    breaker = Breaker(clock)
    shared, salts = RedisShared(nowhere, breaker), RedisSalts(nowhere, breaker, clock, now_ms)
    found = await shared.get(b"k"), await shared.claim(b"k"), await salts.clear(1, None)
    await shared.put(b"k", entry(), 60)
    at_first, is_open = breaker.failures, breaker.is_open()
    clock.s += 6
    await shared.get(b"k")
    await shared.get(b"k")

    assert ((None, True, False), 1, True, 2) == (found, at_first, is_open, breaker.failures)
    assert [] == await RedisShapes(nowhere, breaker).load()
    assert "0.0" != await salts.salt(1, "cpu")


async def test_what_another_build_has_kept_is_passed_over(redis_client: redis.Client) -> None:
    """And noise too."""
    prefix = f"{uuid4().hex}."
    shared = RedisShared(redis_client, Breaker(monotonic_s), prefix)
    for value in (b"\x63\x00later", b"noise", b""):
        await redis_client.set(f"{prefix}cache:block:{b'k'.hex()}", value, px=60_000)
        assert await shared.get(b"k") is None
    await redis_client.set(f"{prefix}cache:shapes", b"noise", px=60_000)
    assert [] == await RedisShapes(redis_client, Breaker(monotonic_s), prefix).load()


async def test_what_one_process_clears_is_cleared_in_all(redis_client: redis.Client) -> None:
    """One metric, or all of a tenant; nobody else's."""
    prefix, clock = f"{uuid4().hex}.", Clock()
    one, other = (RedisSalts(redis_client, Breaker(clock), clock, now_ms, prefix) for _ in range(2))

    async def salts() -> list[str]:
        return [await other.salt(*each) for each in ((1, "cpu"), (1, "memory"), (2, "cpu"))]

    before = await salts()
    told = await one.clear(1, "cpu")
    not_yet = await salts()
    clock.s += SALT_S
    metric = await salts()
    await one.clear(1, None)
    clock.s += SALT_S
    whole = await salts()

    assert (True, before) == (told, not_yet)
    assert [True, False, False] == [a != b for a, b in zip(before, metric, strict=True)]
    assert [True, True, False] == [a != b for a, b in zip(metric, whole, strict=True)]


async def test_shapes_are_kept_for_the_next_process(redis_client: redis.Client) -> None:
    """The most asked first."""
    shapes = RedisShapes(redis_client, Breaker(monotonic_s), f"{uuid4().hex}.")
    before = await shapes.load()
    await shapes.save([b"a", b"b"])

    assert ([], [b"a", b"b"]) == (before, await shapes.load())
