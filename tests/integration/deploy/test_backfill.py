"""The back-fill makes groups of windows that nobody prepared, beside owners that go on, and says since when."""

import asyncio
from collections.abc import AsyncIterator
from random import SystemRandom

import pytest
import pytest_asyncio

from deploy.postgres.migrate import migrate
from deploy.postgres.prepared import backfill
from deploy.postgres.prepared.backfill import Backfill, Done, kept_sets
from shared.errors import Misconfigured
from shared.model.window import BASE_MS, TIERS_MS
from shared.postgres import connections
from shared.prepared.label_sets import NO_SETS, LabelSets
from tests.support.prepared import SETS, Owned, Topic

pytestmark = pytest.mark.servers


@pytest_asyncio.fixture
async def empty(dsn: str) -> AsyncIterator[connections.Pool]:
    """A database of this test's own, for a back-fill takes all series of it."""
    await migrate(dsn)
    made = await connections.pool(dsn, 6)
    yield made
    made.terminate()


async def filled(address: str, topic: str, since_ms: int = 0, pieces: int = 1 << 30) -> list[Done]:
    """A back-fill that ends after so many pieces, if it is not done before."""
    done = []
    async with connections.single(address) as conn:
        async for piece in Backfill(conn, topic, since_ms).run():
            done.append(piece)
            if len(done) == pieces:
                break
    return done


async def test_what_closed_before_is_filled_in(empty: connections.Pool, dsn: str) -> None:
    """Newest first and tier by tier; a second run has nothing to do."""
    topic = Topic(empty)
    await topic.acquire(NO_SETS)
    await topic.go_on(40)
    await topic.acquire(SETS)
    await topic.go_on(3)
    await topic.acquire(SETS)
    before = await topic.agree()
    done = await filled(dsn, topic.parts[0].key.topic)

    assert (False, True) == (before, await topic.agree())
    tiers = [one.span.resolution_ms for one in done]
    assert sorted(tiers, reverse=True) == tiers
    for tier in TIERS_MS:
        begins = [one.span.begin_ms for one in done if one.span.resolution_ms == tier]
        assert sorted(begins, reverse=True) == begins
    assert [] == await filled(dsn, topic.parts[0].key.topic)


async def test_owners_go_on_beside_it(empty: connections.Pool, dsn: str) -> None:
    """Late points of filled windows change their groups, before, between and behind the pieces."""
    topic = Topic(empty)
    await topic.acquire(NO_SETS)
    await topic.go_on(35)
    await topic.acquire(SETS)

    await asyncio.gather(filled(dsn, topic.parts[0].key.topic), topic.go_on(25, 1_000))
    await topic.go_on(5)
    await topic.acquire(SETS)
    await filled(dsn, topic.parts[0].key.topic)

    assert await topic.agree()


async def test_a_run_that_was_ended_is_gone_on_with(empty: connections.Pool, dsn: str) -> None:
    """What it has done stays done."""
    topic = Topic(empty)
    await topic.acquire(NO_SETS)
    await topic.go_on(30)
    await topic.acquire(SETS)
    first = await filled(dsn, topic.parts[0].key.topic, pieces=4)
    await topic.go_on(4)
    await topic.acquire(SETS)
    rest = await filled(dsn, topic.parts[0].key.topic)

    assert await topic.agree()
    assert 4 == len(first)
    spans = [one.span for one in first + rest]
    assert len(spans) == len(set(spans))


async def test_it_stops_at_an_instant(empty: connections.Pool, dsn: str) -> None:
    """Windows that start before it are left as they are."""
    topic = Topic(empty)
    await topic.acquire(NO_SETS)
    await topic.go_on(40)
    await topic.acquire(SETS)
    since_ms = topic.parts[0].start_ms + 605_000
    await filled(dsn, topic.parts[0].key.topic, since_ms)

    for tier, first_ms in zip(TIERS_MS, (610_000, 660_000, 900_000), strict=True):
        assert {first_ms} == {one for part in topic.parts for one in (await part.since(tier)).values()}
    for part in topic.parts:
        assert await part.agrees(BASE_MS, since_ms=610_000)


async def test_sets_that_came_later_catch_up_with_the_others(empty: connections.Pool, dsn: str) -> None:
    """Then all go on together; those of some metrics alone read no others."""
    topic, fewer = Topic(empty), LabelSets({"*": ((),)})
    await topic.acquire(NO_SETS)
    await topic.go_on(20)
    await topic.acquire(fewer)
    await topic.go_on(20)
    await topic.acquire(SETS)
    done = await filled(dsn, topic.parts[0].key.topic)

    assert await topic.agree()
    assert 0 < done[0].rows


async def test_a_set_that_not_all_partitions_keep_waits(empty: connections.Pool, dsn: str) -> None:
    """As while a new file is not everywhere yet."""
    topic = Topic(empty)
    await topic.acquire(NO_SETS)
    await topic.go_on(10)
    await topic.parts[0].commit()
    await topic.parts[0].acquire(sets=SETS)

    done = await filled(dsn, topic.parts[0].key.topic)
    async with connections.single(dsn) as conn:
        kept = await kept_sets(conn, topic.parts[0].key.topic, BASE_MS)

    assert [] == done
    assert {(1, 2)} == {(one.kept, one.partitions) for one in kept}


async def test_series_of_several_topics_are_not_told_apart(empty: connections.Pool, dsn: str) -> None:
    """Nor is there anything to do where nothing is prepared."""
    async with connections.single(dsn) as conn:
        with pytest.raises(Misconfigured, match="no aggregator has prepared groups yet"):
            await backfill.topic_of(conn)
        for _ in range(2):
            await Owned(empty, SystemRandom().randrange(1 << 40)).acquire()
        with pytest.raises(Misconfigured, match="share these tables"):
            await backfill.topic_of(conn)
