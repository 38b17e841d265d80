"""The cache of blocks: what is valid, what is shared, what is loaded again."""

import asyncio
from dataclasses import replace

import pytest

from services.gateway.query.cache.cache import CLOSED_S, OPEN_S
from services.gateway.query.cache.entry import SETTLED_MS, Block
from services.gateway.query.questions.selection import Matcher, Selection
from services.gateway.query.questions.source import BLOCKS_MS
from shared.errors import Unavailable
from tests.support.cached import ASKED, CLOSED_MS, NOW_MS, MemoryShared, Setting

OPEN_MS = NOW_MS - NOW_MS % 900_000
"""Start of the block of 10 s that is open."""


async def test_a_block_is_read_once_while_the_log_does_not_change_it() -> None:
    """Windows of other blocks, and offsets that it holds already, change nothing."""
    one = Setting()
    first = await one.ask()
    one.log.changed = {0: 100}
    again = await one.ask()
    one.log.changed = {0: 101}
    changed = await one.ask()

    assert (1, 1, 2) == (first, again, changed)


async def test_until_a_published_row_is_committed_its_block_is_read_each_time() -> None:
    """Published first, committed later, or never: what was read in between is not kept for long."""
    one = Setting()
    one.log.changed = {0: 105}
    before = [await one.ask(), await one.ask()]
    one.tables.next_offset = 105
    after = [await one.ask(), await one.ask()]

    assert ([1, 2], [3, 3]) == (before, after)


async def test_rows_of_a_partition_that_was_never_committed_are_not_known() -> None:
    """An entry says nothing of it."""
    one = Setting()
    await one.ask()
    one.log.changed = {7: 0}

    assert 2 == await one.ask()


async def test_a_block_that_was_read_before_the_log_was_followed_is_read_again() -> None:
    """Whatever has changed in between is unknown; save where nothing changes any more."""
    one = Setting()
    old_ms = (NOW_MS - SETTLED_MS - 2 * 86_400_000) // 86_400_000 * 86_400_000
    await one.ask()
    await one.ask(old_ms, 900_000)
    one.log.since_ms = NOW_MS + 1

    assert (3, 2) == (await one.ask(), await one.ask(old_ms, 900_000))


async def test_while_the_log_is_not_known_a_block_is_good_for_a_second() -> None:
    """Slower, never wrong."""
    one = Setting()
    await one.ask()
    one.knows(current=False)
    one.clock.s += 1.0
    still = await one.ask()
    one.clock.s += 0.1

    assert (1, 2, 2) == (still, await one.ask(), await one.ask())


async def test_an_entry_ends_with_its_life_and_lives_on_while_it_is_asked_for() -> None:
    """A closed block an hour, an open one a minute; what is renewed holds all that the log has shown since."""
    one = Setting()
    await one.ask()
    await one.ask(OPEN_MS)
    one.clock.s += OPEN_S / 2 + 1
    assert 2 == await one.ask(OPEN_MS)
    one.clock.s += OPEN_S / 2 + 1
    assert (1, 2) == (await one.ask(), await one.ask(OPEN_MS))
    one.knows(ended={0: 500})
    one.clock.s += CLOSED_S * 0.8
    assert 1 == await one.ask()
    one.log.changed = {0: 400}
    assert 1 == await one.ask()
    one.clock.s += CLOSED_S + 1
    assert 3 == await one.ask()


async def test_another_process_takes_what_was_loaded_and_judges_it_by_itself() -> None:
    """Open blocks are not shared."""
    one = Setting()
    other, third = Setting(one), Setting(one)
    third.log.changed = {0: 101}
    await one.ask()
    await one.ask(OPEN_MS)

    assert (1, 3, 4) == (await other.ask(), await third.ask(), await other.ask(OPEN_MS))


async def test_one_load_serves_all_who_wait_for_it() -> None:
    """Also when the one who began it is gone."""
    one = Setting()
    one.tables.going.clear()
    first, *others = [asyncio.create_task(one.ask()) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    one.tables.going.set()
    found = await asyncio.gather(*others)

    assert ([1, 1, 1, 1], 1) == (found, one.tables.loads)


async def test_a_load_that_began_before_a_commit_does_not_serve_who_came_after_it() -> None:
    """It may have read what was there before; who began it gets it all the same."""
    one = Setting()
    one.tables.going.clear()
    first = asyncio.create_task(one.ask())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    one.tables.next_offset, one.log.changed = 101, {0: 101}
    later = asyncio.create_task(one.ask())
    await asyncio.sleep(0)
    one.tables.going.set()

    assert (1, 2) == (await first, await later)


async def test_a_block_that_another_process_loads_is_waited_for_and_then_loaded() -> None:
    """At most for a moment."""
    one = Setting()
    other = Setting(one)
    one.tables.going.clear()
    first = asyncio.create_task(one.ask())
    await one.tables.begun.wait()
    second = asyncio.create_task(other.ask())
    await one.shared.left.wait()
    one.tables.going.set()
    found = await first, await second
    for key in list(one.shared.entries):
        await one.shared.claim(key)
    one.shared.entries.clear()
    alone = await Setting(one).ask()

    assert ((1, 1), 2) == (found, alone)


async def test_a_failure_is_told_to_all_and_kept_by_nobody() -> None:
    """The next one asks again."""
    one = Setting()
    one.tables.away = True
    found = await asyncio.gather(*(one.ask() for _ in range(3)), return_exceptions=True)
    one.tables.away = False

    assert [Unavailable] * 3 == [type(each) for each in found]
    assert 2 == await one.ask()


async def test_rows_are_no_older_than_where_the_tables_were_seen_to_stand() -> None:
    """The log may be read a little later than the commit is seen; it is waited for, else the tables are read."""
    one = Setting()
    await one.ask()
    known = await one.ask(seen={0: 100})
    one.log.asked.clear()
    reached = asyncio.create_task(one.ask(seen={0: 102}))
    await one.log.asked.wait()
    one.knows(ended={0: 102})
    after = await reached
    one.tables.next_offset = 200
    behind = await one.ask(seen={0: 200})

    assert (1, 1, 2) == (known, after, behind)


async def test_what_was_cleared_is_read_anew() -> None:
    """By other keys."""
    one = Setting()
    await one.ask()
    await one.salts.clear(1, None)

    assert (2, 2) == (await one.ask(), await one.ask())


async def test_an_entry_that_is_too_large_is_not_kept() -> None:
    """It would push out all others."""
    one = Setting(limit_bytes=1_000)

    assert (1, 2) == (await one.ask(), await one.ask(selection=replace(ASKED, metric="memory")))
    assert 0 == one.memory.bound().used()


async def test_the_entry_used_longest_ago_makes_room() -> None:
    """Bytes are bounded, and evictions counted."""
    one = Setting(limit_bytes=6_000)
    for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "a"):
        await one.ask(selection=Selection(1, name))

    bound = one.memory.bound()
    assert bound.used() <= 6_000
    assert bound.evicted() > 0
    # The first one is had from the others, for it was shared.
    assert 11 == one.tables.loads


async def test_figures_are_by_layer_and_kind_and_of_a_tenant_alone() -> None:
    """Invalid is told from unknown."""
    one = Setting()
    await one.ask()
    await one.ask()
    one.log.changed = {0: 101}
    await one.ask()
    await one.ask(selection=Selection(2, "cpu"))

    mine = one.cache.statistics.of(1)
    assert {
        ("l1", "10s", "misses"): 1, ("l2", "10s", "misses"): 1, ("l1", "10s", "hits"): 1,
        ("l1", "10s", "invalid"): 1, ("l2", "10s", "invalid"): 1,
    } == dict(mine.counts)  # fmt: skip
    assert (3, 2, 33.33) == (mine.asked, mine.loaded, mine.hit_rate_percent)
    assert (4, 3) == (one.cache.statistics.whole.asked, one.cache.statistics.whole.loaded)
    assert {10_000: one.memory.bound().used() // 2} == one.memory.bytes_of(1)


@pytest.mark.parametrize(
    ("block", "salt"),
    [
        pytest.param(Block(replace(ASKED, tenant_id=2), 10_000, CLOSED_MS), "", id="tenant"),
        pytest.param(Block(replace(ASKED, metric="cpu2"), 10_000, CLOSED_MS), "", id="metric"),
        pytest.param(Block(replace(ASKED, kind="gauge"), 10_000, CLOSED_MS), "", id="kind"),
        pytest.param(Block(replace(ASKED, unit=""), 10_000, CLOSED_MS), "", id="unit"),
        pytest.param(Block(replace(ASKED, by=("host",)), 10_000, CLOSED_MS), "", id="by"),
        pytest.param(Block(replace(ASKED, by=None), 10_000, CLOSED_MS), "", id="each series"),
        pytest.param(
            Block(replace(ASKED, where=(Matcher("a", "=", ("b",)),)), 10_000, CLOSED_MS), "", id="where"
        ),
        pytest.param(Block(ASKED, 60_000, CLOSED_MS), "", id="tier"),
        pytest.param(Block(ASKED, 10_000, CLOSED_MS + 900_000), "", id="start"),
        pytest.param(Block(ASKED, 10_000, CLOSED_MS), "1", id="salt"),
    ],
)
def test_blocks_that_differ_in_anything_have_other_keys(block: Block, salt: str) -> None:
    """Nobody gets another's rows."""
    assert Block(ASKED, 10_000, CLOSED_MS).key("") != block.key(salt)


def test_conditions_in_another_order_are_the_same_block() -> None:
    """All of them must hold, whichever comes first."""
    one, other = Matcher("a", "=", ("b",)), Matcher("a", "~", ("c*",), negated=True)
    keys = {
        Block(replace(ASKED, where=where), 10_000, CLOSED_MS).key("")
        for where in ((one, other), (other, one))
    }

    assert 1 == len(keys)
    assert CLOSED_MS + BLOCKS_MS[10_000] == Block(ASKED, 10_000, CLOSED_MS).end_ms


async def test_the_fake_gives_no_entry_that_has_ended() -> None:
    """As Redis does not."""
    one = Setting()
    shared = MemoryShared(one.clock)
    await one.ask()
    (entry, _), *_ = one.shared.entries.values()
    await shared.put(b"k", entry, 10)
    one.clock.s += 10

    assert await shared.get(b"k") is None
