"""Merged groups on a real Postgres: they say what the rows of partitions say, whatever has happened since."""

from collections.abc import Mapping
from random import SystemRandom

import numpy as np
import pytest
from asyncpg import Record

from services.gateway.query.questions.grouped import Group, Grouped
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.tables import prepared
from services.gateway.query.questions.tables.series import PostgresBlocks
from shared.model.rollup import RAGGED
from shared.model.window import TIERS_MS
from shared.postgres import connections
from shared.postgres.instants import at
from shared.prepared import merged
from shared.prepared.tables import GROUP_TABLES
from tests.support.prepared import Owned, drawn

pytestmark = pytest.mark.servers

QUARTER_MS = TIERS_MS[-1]
PARTITIONS = 3


class Whole:
    """The partitions of a topic, each with its series, and who merges what they write."""

    def __init__(self, pool: connections.Pool, tenant_id: int) -> None:
        self.pool = pool
        self.owned = [
            Owned(pool, tenant_id, partition=one, partitions=PARTITIONS) for one in range(PARTITIONS)
        ]
        self.topic, self.tenant_id = self.owned[0].key.topic, tenant_id
        self.start_ms = self.owned[0].start_ms

    async def fill(self, random: np.random.Generator) -> None:
        """Points of two quarters of an hour, and both closed."""
        for one in self.owned:
            await one.acquire()
            for step in range(12):
                one.feed(step * 150_000, drawn(random, 20, step * 150_000, step * 150_000 + 1_000))
            one.feed(2 * QUARTER_MS + 60_000)
            await one.commit()

    async def late(self, random: np.random.Generator) -> None:
        """A late point in the first quarter of one partition."""
        at_ms = 2 * QUARTER_MS + 120_000
        self.owned[1].feed(at_ms, drawn(random, 1, 1_000, 2_000))
        await self.owned[1].commit()

    async def catch_up(self) -> int:
        """Merge what every partition has closed."""
        until_ms = await merged.closed_until_ms(self.pool, self.topic)
        assert until_ms == self.start_ms + 2 * QUARTER_MS
        return await merged.catch_up(self.pool, self.topic, until_ms)

    async def read(self, by: tuple[str, ...] = ("a",)) -> Grouped:
        """What a question reads."""
        blocks = PostgresBlocks(self.pool, self.topic)
        selection = Selection(self.tenant_id, "m", None, None, (), by)
        loaded = await blocks.load(selection, QUARTER_MS, self.start_ms, self.start_ms + 2 * QUARTER_MS)
        return loaded.rows

    async def rows(self) -> tuple[int, int]:
        """How many rows are read of the groups by one label: merged ones, and those of partitions."""
        async with connections.connection(self.pool) as conn:
            asked = (
                self.tenant_id, "m", "a", at(self.start_ms), at(self.start_ms + 2 * QUARTER_MS), self.topic,
            )  # fmt: skip
            whole: list[Record] = await conn.fetch(merged.READ, *asked)
            statement = prepared.PACKED.format(table=GROUP_TABLES[QUARTER_MS])
            parts = await conn.fetch(statement, *asked, [start for start, _ in whole])
        return len(whole), len(parts)


def said(rows: Grouped) -> Mapping[tuple[int, Group], list[object]]:
    """By window and group, figures (not known: nan), buckets and registers, to the bit."""
    names = ("count", "sum", "min", "max", "last", "samples", "revision", "late_count", "estimated")
    found = rows.rollups
    return {
        (int(found.start_ms[at]), rows.groups[found.slot[at]]): [
            *(repr(getattr(found, name)[at]) for name in names),
            *(
                getattr(found, name)[slice(*getattr(found, ends)[at : at + 2])].tolist()
                for ends, columns in RAGGED.items()
                for name in columns
            ),
        ]
        for at in range(len(found))
    }


@pytest.fixture
async def whole(pool: connections.Pool) -> Whole:
    """Three partitions with two quarters of an hour."""
    made = Whole(pool, SystemRandom().randrange(1 << 40))
    await made.fill(np.random.default_rng(made.tenant_id))
    return made


async def test_what_is_merged_says_the_same_in_a_row_a_window(whole: Whole) -> None:
    """Of every label set; what is merged is not merged again."""
    before = {by: said(await whole.read(by)) for by in ((), ("a",), ("a", "b"))}
    parts = await whole.rows()

    merges = [await whole.catch_up() for _ in range(2)]

    assert (0, 2 * PARTITIONS) == parts
    assert (2, 0) == await whole.rows()
    assert merges[0] > 0 == merges[1]
    assert before == {by: said(await whole.read(by)) for by in before}


async def test_a_revised_window_is_read_of_its_partitions_until_it_is_merged_anew(whole: Whole) -> None:
    """From the moment of the commit, and the other window stays merged."""
    await whole.catch_up()
    before = said(await whole.read())

    await whole.late(np.random.default_rng(1))
    revised, rows = said(await whole.read()), await whole.rows()
    again = await whole.catch_up()

    assert 1 == sum(one != before[key] for key, one in revised.items())
    assert (1, PARTITIONS) == rows
    assert (2, 0) == await whole.rows()
    assert again > 0
    assert revised == said(await whole.read())


async def test_rows_that_were_written_anew_are_not_taken_for_the_old_ones(whole: Whole) -> None:
    """With the same bytes too, as after a dump is restored."""
    await whole.catch_up()
    async with connections.connection(whole.pool) as conn:
        await conn.execute(
            "UPDATE rollup_group_15m SET packed = packed WHERE tenant_id = $1", whole.tenant_id
        )

    assert (0, 2 * PARTITIONS) == await whole.rows()


async def test_what_one_partition_has_alone_is_one_row_already(pool: connections.Pool) -> None:
    """Nothing is merged."""
    made = Whole(pool, SystemRandom().randrange(1 << 40))
    made.owned = made.owned[:1]
    await made.fill(np.random.default_rng(2))
    assert 0 == await made.catch_up()
