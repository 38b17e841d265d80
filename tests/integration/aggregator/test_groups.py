"""Prepared groups on a real Postgres: they follow the rows of their series, and say since when they are whole."""

from dataclasses import replace
from random import SystemRandom
from uuid import UUID

import numpy as np
import pytest

from deploy.postgres import logs, partitions
from shared.model.series import Series
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.postgres import connections
from shared.prepared import tables
from shared.prepared.label_sets import NO_SETS, LabelSets
from shared.runtime.clock import now_ms
from shared.stream.log.identity import LogIdentity
from shared.wire.series import pack, series_id
from tests.support.prepared import SETS, Owned, drawn, figures

pytestmark = pytest.mark.servers

MINUTE_MS = 60_000


@pytest.fixture
def tenant_id() -> int:
    """A tenant that no other test knows."""
    return SystemRandom().randrange(1 << 40)


async def test_groups_follow_the_rows_of_their_series_in_every_tier(
    pool: connections.Pool, tenant_id: int
) -> None:
    """Closed, late and after restarts."""
    random = np.random.default_rng(tenant_id)
    owned = Owned(pool, tenant_id)
    await owned.acquire()
    for step in range(40):
        at_ms = step * 47_000
        owned.feed(at_ms, drawn(random, 20, max(0, at_ms - 20_000), at_ms + 1))
        if step % 3 == 1:
            owned.feed(at_ms, drawn(random, 10, max(0, at_ms - 1_000_000), at_ms + 1))
        if random.random() < 0.4:
            await owned.restart(await owned.commit())
    owned.feed(3_600_000)
    await owned.commit()

    assert [True] * 3 == [await owned.agrees(tier) for tier in TIERS_MS]


async def test_a_replay_makes_the_same_bytes(pool: connections.Pool, tenant_id: int) -> None:
    """Fractions and all, however the log was divided, and whatever numbers processes gave to series."""
    found, start_ms = [], start_of(now_ms(), TIERS_MS[-1]) - 7_200_000
    for commits in (0.2, 0.9):
        random, chance = np.random.default_rng(tenant_id), np.random.default_rng(int(10 * commits))
        owned = Owned(pool, tenant_id)
        owned.start_ms = start_ms
        await owned.acquire()
        for step in range(30):
            at_ms = step * 31_000
            points = drawn(random, 30, max(0, at_ms - 120_000), at_ms + 1)
            owned.feed(at_ms, replace(points, value=random.normal(0, 100, 30)))
            if chance.random() < commits:
                await owned.restart(await owned.commit())
        owned.feed(3_600_000)
        await owned.commit()
        found.append([await owned.groups(tier) for tier in TIERS_MS])
        await owned.forget()

    assert all(found[0])
    assert found[0] == found[1]


async def test_a_set_is_kept_from_the_first_window_that_is_open(
    pool: connections.Pool, tenant_id: int
) -> None:
    """What has closed before is left alone, late points included; the open windows of every tier become whole."""
    owned = Owned(pool, tenant_id, NO_SETS)
    await owned.acquire()
    owned.one(1_000, 500)
    owned.one(75_000, 72_500)
    await owned.commit()
    none = await owned.since()
    await owned.acquire(sets=SETS)
    since = {tier: set((await owned.since(tier)).values()) for tier in TIERS_MS}
    owned.one(76_000, 800, slot=1)
    owned.one(77_000, 74_000, slot=1)
    owned.one(900_000, 899_000)
    owned.feed(960_000)
    await owned.commit()

    assert {} == none
    assert {10_000: {70_000}, MINUTE_MS: {MINUTE_MS}, 900_000: {0}} == since
    assert [True] * 3 == [await owned.agrees(tier, since_ms=max(since[tier])) for tier in TIERS_MS]


async def test_windows_that_only_late_points_fill_are_in_groups(
    pool: connections.Pool, tenant_id: int
) -> None:
    """Nothing had closed there; a partition that begins has kept its sets for ever."""
    owned = Owned(pool, tenant_id)
    await owned.acquire()
    owned.one(300_000, 299_000)
    owned.one(301_000, 1_000)
    await owned.commit()

    assert {float("-inf")} == set((await owned.since()).values())
    assert await owned.agrees(BASE_MS)
    assert {0} == {start for start, _, _ in await owned.groups(BASE_MS)}


async def test_sets_go_and_come_with_the_file(pool: connections.Pool, tenant_id: int) -> None:
    """One that was away is kept anew from then on; the others stay as they were."""
    owned = Owned(pool, tenant_id)
    await owned.acquire()
    owned.feed(25_000)
    await owned.commit()
    await owned.acquire(sets=LabelSets({"*": ((),), "m*": (("a",),)}))
    fewer = await owned.since()
    owned.feed(45_000)
    await owned.commit()
    await owned.acquire(sets=SETS)

    ever = float("-inf")
    assert {("*", ""): ever, ("m*", "a"): ever} == fewer
    assert {("*", ""): ever, ("m*", "a"): ever, ("m*", "a,b"): 40_000} == await owned.since()


async def test_an_owner_that_kept_no_groups_is_noticed(pool: connections.Pool, tenant_id: int) -> None:
    """As a build before, in the midst of an upgrade or after a rollback: what it has closed is in no group."""
    owned = Owned(pool, tenant_id)
    await owned.acquire()
    owned.feed(25_000)
    await owned.commit()
    await owned.acquire()
    before = set((await owned.since()).values())
    await owned.acquire(strangers=1)

    assert ({float("-inf")}, {20_000}) == (before, set((await owned.since()).values()))


async def test_a_reset_or_another_log_is_no_owner(pool: connections.Pool, tenant_id: int) -> None:
    """What was kept goes on being kept, though the epoch rises."""
    owned = Owned(pool, tenant_id)
    await owned.acquire()
    owned.feed(25_000)
    await owned.commit()
    async with connections.connection(pool) as conn:
        await partitions.reset(conn, *owned.key, 0, without_state=False)
        (at_epoch_2,) = await logs.read(conn, owned.key.topic)
        await logs.accept(
            conn, owned.key.topic, LogIdentity("c", UUID(int=1), 1, 1), [(at_epoch_2, 0, False)]
        )
    await owned.acquire()

    assert {float("-inf")} == set((await owned.since()).values())
    async with connections.connection(pool) as conn:
        whole = await tables.whole_since(conn, owned.key.topic)
        await conn.execute("UPDATE partition_state SET epoch = epoch + 1 WHERE topic = $1", owned.key.topic)
        stale = await tables.whole_since(conn, owned.key.topic)
    assert ({*TIERS_MS}, {}) == (whole.keys(), stale)


async def test_a_partition_that_was_reset_claims_nothing_of_before(
    pool: connections.Pool, tenant_id: int
) -> None:
    """Its watermark is not known any more; windows may have closed up to the newest one that is stored."""
    first = Owned(pool, tenant_id)
    await first.acquire()
    first.one(1_000, 500)
    first.feed(25_000)
    await first.commit()
    async with connections.connection(pool) as conn:
        await partitions.reset(conn, *first.key, 0, without_state=True)
    again = Owned(pool, tenant_id, LabelSets({"*": ((), ("a",))}))
    again.start_ms = first.start_ms
    await again.acquire()
    since = await again.since()

    assert float("-inf") == since["*", ""]
    assert since["*", "a"] >= BASE_MS


async def test_a_log_that_is_read_once_more_adds_nothing(pool: connections.Pool, tenant_id: int) -> None:
    """As the rows of its series, which stay as they are; those that are new are added."""
    owned, again = Owned(pool, tenant_id), Owned(pool, tenant_id)
    again.start_ms = owned.start_ms
    await owned.acquire()
    for each in (owned, again):
        for slot in range(3):
            each.one(5_000, 1_000 + slot, slot)
        if each is again:
            each.one(6_000, 1_000, 4)
            each.one(6_000, 1_000, 5)
        each.feed(12_000)
    await owned.commit()
    owned.one(13_000, 500)
    await owned.commit()
    before = await owned.groups(BASE_MS)

    await again.commit()

    after = await owned.groups(BASE_MS)
    assert before == {place: after[place] for place in before}
    assert {"m", "other"} == {metric for _, metric, _ in after}
    assert await owned.agrees(BASE_MS)


async def test_rows_of_overflow_series_are_in_their_groups(pool: connections.Pool, tenant_id: int) -> None:
    """Of two series with one id the second one's rows go to a series that has other labels."""
    twins: dict[bytes, int] = {}

    def same_id(packed: bytes) -> int:
        return twins.get(packed, series_id(packed))

    first, second = (Owned(pool, tenant_id, id_of=same_id) for _ in range(2))
    second.start_ms = first.start_ms
    first.series, second.series = first.series[:1], first.series[1:2]
    twins[second.series[0]] = series_id(first.series[0])
    await first.acquire()
    first.one(1_000, 500)
    first.feed(12_000)
    await first.commit()
    second.one(13_000, 12_500)
    second.feed(25_000)
    await second.commit()

    found = figures(await first.groups(BASE_MS))
    overflow = pack(Series(tenant_id, "m", "gauge", "", ()))
    assert {(0, "m", ""), (0, "m", "a"), (0, "m", "a,b")} < found.keys()
    assert [overflow] == found[10_000, "m", "a"][0]
    assert [1.0] == found[10_000, "m", ""][1]["count"]
