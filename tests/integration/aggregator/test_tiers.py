"""All tiers on a real Postgres: what comes of restarts and bursts of late points, and what is forgotten when."""

from dataclasses import replace
from random import SystemRandom

import numpy as np
import pytest

from services.aggregator.adapters import snapshot
from services.aggregator.adapters.postgres import REVISED_ROWS, TABLES, RollupTables
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.windows.tiers import WRITTEN_MS
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.postgres import connections, rollup_rows
from shared.runtime.clock import now_ms
from shared.stream.processor import Key
from shared.wire import rollups
from shared.wire.series import checked, kind_of, pack, series_id, tenant_of
from shared.wire.versions import NEW
from tests.support.memory_tables import MemoryTables

pytestmark = pytest.mark.servers

NAMES = SeriesNames(series_id)

HOUR_MS = 3_600_000


@pytest.fixture
def tenant_id() -> int:
    """A tenant that no other test knows."""
    return SystemRandom().randrange(1 << 40)


class Partition:
    """A partition with its tables in Postgres, and beside it the same in memory, made by a fold that never ends."""

    def __init__(
        self, pool: connections.Pool, tenant_id: int, series: int, kinds: tuple[str, ...] = ("gauge",)
    ) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._key = Key(f"{tenant_id}.telemetry.metrics.v1", 0)
        named = [
            pack(Series(tenant_id, "m", kinds[n % len(kinds)], "", (("n", str(n)),))) for n in range(series)
        ]
        self.series = sorted(named, key=series_id)
        self.memory = MemoryTables(self.series, revised_rows=100_000)
        self.fold, self.twin = (PartitionFold(checked, tenant_of, kind_of, NAMES) for _ in range(2))
        self.start_ms = start_of(now_ms(), TIERS_MS[-1]) - 2 * HOUR_MS
        self._seq = 0

    def feed(self, at_ms: int, points: Points | None = None) -> None:
        """A message received so long after the start; its points count from there."""
        self._seq += 1
        given = points or Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))
        given = replace(given, ts_ms=given.ts_ms + self.start_ms)
        arrival = Arrival("g", self._seq, self.start_ms + at_ms, self.series if points else [])
        for fold in (self.fold, self.twin):
            fold.fold(arrival, given)

    async def commit(self) -> RollupWork:
        """Write what was gathered, here and there."""
        work = self.fold.checkpoint()
        async with connections.connection(self._pool) as conn, conn.transaction():
            await RollupTables(NEW).save(conn, {self._key: work})
        self.memory.write(self.twin.checkpoint())
        return work

    async def restart(self, work: RollupWork) -> None:
        """Another process acquires the partition after this commit."""
        fold, watermark_ms = self.fold, self.fold.watermark_ms or 0
        packed = snapshot.encode(self._key, work, NEW)
        opened = snapshot.decode(self._key, packed) if packed else snapshot.NOTHING
        async with connections.connection(self._pool) as conn:
            whole = await RollupTables(NEW).kept(conn, [self._key])
        self.fold = PartitionFold(
            checked, tenant_of, kind_of, NAMES, watermark_ms=watermark_ms, seen=fold.seen
        )
        kept = snapshot.opened(self._key, whole[self._key])
        self.fold.restore(opened.open, kept.windows, opened.amended)
        if opened.totals is not None:
            self.fold.recall(kept.totals, *opened.totals)

    async def rows(self, resolution_ms: int) -> Rollups:
        """All rows of a tier by window and series."""
        query = "SELECT " + rollup_rows.selected("0") + f" FROM {TABLES[resolution_ms]} r "
        query += f"JOIN series s USING (series_id) WHERE s.tenant_id = {self._tenant_id} ORDER BY 5, 4"
        async with connections.connection(self._pool) as conn:
            stored = await rollup_rows.read(conn, query)
        places = np.array([series_id(packed) for packed in self.series])
        stored.rollups.slot = np.searchsorted(places, stored.series_id)
        return stored.rollups

    async def kept_up(self) -> dict[int, bool]:
        """Whether each row of the finest tier is kept up, by the number of its series; one window holds them all."""
        places = {series_id(packed): place for place, packed in enumerate(self.series)}
        async with connections.connection(self._pool) as conn:
            found = await conn.fetch(
                "SELECT series_id, kept_up FROM rollup_10s JOIN series USING (series_id) WHERE tenant_id = $1",
                self._tenant_id,
            )
        return {places[row["series_id"]]: row["kept_up"] for row in found}

    async def content(self) -> dict[int, bytes]:
        """The rows of all tiers as bytes, in the form of those in memory."""
        return {
            tier: rollups.encode(rollups.WindowBatch(0, True, 0, 0, [], await self.rows(tier)), NEW)
            for tier in TIERS_MS
        }


def drawn(random: np.random.Generator, rows: int, series: int, low_ms: int, high_ms: int) -> Points:
    """Points of fractions, weighted, taken back and with strings."""
    hashes = random.integers(1, 1 << 62, rows, np.uint64)
    return Points(
        random.integers(0, series, rows).astype(np.uint16),
        random.integers(low_ms, high_ms, rows),
        random.normal(0, 100, rows).round(2),
        random.choice([1.0, 1.0, 3.3, -1.0], rows),
        distinct=np.where(random.random(rows) < 0.2, hashes, np.uint64(0)),
    )


async def test_restarts_leave_no_trace_in_any_tier(pool: connections.Pool, tenant_id: int) -> None:
    """Open windows that are restored close as they would have closed: equal to the last bit."""
    random = np.random.default_rng(tenant_id)
    partition = Partition(pool, tenant_id, 3)
    for step in range(60):
        at_ms = step * 31_000
        partition.feed(at_ms, drawn(random, 20, 3, max(0, at_ms - 20_000), at_ms + 1))
        if step % 3 == 1:
            partition.feed(at_ms, drawn(random, 10, 3, max(0, at_ms - 1_000_000), at_ms + 1))
        if random.random() < 0.4:
            await partition.restart(await partition.commit())
    partition.feed(HOUR_MS)
    await partition.commit()

    assert partition.memory.content() == await partition.content()


async def test_running_totals_go_on_after_a_restart(pool: connections.Pool, tenant_id: int) -> None:
    """Kept whole or since then, late, reset or too late: as if nothing had happened."""
    random = np.random.default_rng(tenant_id)
    partition = Partition(pool, tenant_id, 4, ("cumulative", "histogram"))
    for step in range(80):
        at_ms = step * 31_000
        totals = drawn(random, 30, 4, max(0, at_ms - 1_200_000), at_ms + 1)
        partition.feed(at_ms, replace(totals, value=(totals.value / 100).round() + 2))
        if random.random() < 0.4:
            await partition.restart(await partition.commit())
    partition.feed(2 * HOUR_MS)
    await partition.commit()

    assert partition.memory.content() == await partition.content()


async def test_a_burst_of_late_points_is_revised_in_bites(pool: connections.Pool, tenant_id: int) -> None:
    """No more than so many rows are read, merged and written at once, and every point is in each tier."""
    random = np.random.default_rng(tenant_id)
    partition = Partition(pool, tenant_id, 200)
    partition.feed(0, drawn(random, 5_000, 200, 0, 1))
    partition.feed(3 * HOUR_MS)
    for _ in range(15):
        partition.feed(3 * HOUR_MS, drawn(random, 2_000, 200, 0, HOUR_MS))
    work = await partition.commit()

    sizes = [len(revised) for revised in work.revised[BASE_MS]]
    assert sizes[:-1] == [REVISED_ROWS] * (len(sizes) - 1)
    revised = (await partition.rows(BASE_MS)).revision > 0
    assert (len(sizes) > 3, sum(sizes)) == (True, int(revised.sum()))
    assert partition.memory.content() == await partition.content()


async def test_a_fine_row_that_is_no_longer_kept_up_says_so(pool: connections.Pool, tenant_id: int) -> None:
    """A point 25 s inside the 6 h of fine rows, and one of the same window 90 s outside. Source: timescaledb#2198.

    Its neighbours, and the coarser rows, which both points reach, stay as they are. See timescaledb#2592 as well.
    """
    partition = Partition(pool, tenant_id, 2)
    one = Points(np.zeros(1, np.uint16), np.array([5_000]), np.ones(1))
    partition.feed(0, replace(one, slot=np.ones(1, np.uint16)))
    partition.feed(WRITTEN_MS - 25_000)
    partition.feed(WRITTEN_MS - 25_000, one)
    await partition.commit()
    kept_up = await partition.kept_up()
    partition.feed(WRITTEN_MS + 90_000)
    partition.feed(WRITTEN_MS + 90_000, one)
    await partition.commit()

    assert {0: True, 1: True} == kept_up
    assert {0: False, 1: True} == await partition.kept_up()
    fine, coarse = await partition.rows(BASE_MS), await partition.rows(TIERS_MS[1])
    assert ([1.0, 1.0], [2.0, 1.0]) == (fine.count.tolist(), coarse.count.tolist())


async def test_a_burst_of_points_beyond_the_fine_rows_is_marked_in_bites(
    pool: connections.Pool, tenant_id: int
) -> None:
    """Windows without a row stay without one."""
    partition = Partition(pool, tenant_id, 40)
    partition.feed(0, drawn(np.random.default_rng(1), 30, 40, 0, 1))
    partition.feed(WRITTEN_MS + 2 * HOUR_MS)
    partition.feed(WRITTEN_MS + 2 * HOUR_MS, drawn(np.random.default_rng(2), 18_000, 40, 0, HOUR_MS))
    work = await partition.commit()

    missed = set(zip(*(column.tolist() for column in work.missed), strict=True))
    rows = await partition.rows(BASE_MS)
    assert (len(missed) > REVISED_ROWS, len(rows) < len(partition.series)) == (True, True)
    expected = {slot: (partition.start_ms, slot) not in missed for slot in rows.slot.tolist()}
    assert expected == await partition.kept_up()


async def test_rows_of_the_finest_tier_are_forgotten_behind_the_slowest_watermark(
    pool: connections.Pool,
) -> None:
    """Six hours behind it a partition is emptied, and never made away with: a backlog may still come for it."""
    insert = (
        "INSERT INTO rollup_10s (window_start, series_id, revision, late_count, count, sum, watermark, sketch_bucket, "
        "sketch_weight) SELECT to_timestamp($1::bigint / 1000), 0, 0, 0, 1, 1, now(), '{}', '{}'"
    )
    now = now_ms()
    async with connections.connection(pool) as conn:
        undone = conn.transaction()
        await undone.start()
        await conn.execute("DELETE FROM partition_state")
        await conn.execute(
            "INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen) "
            "VALUES ('telemetry.metrics.v1', 0, 1, '', 0, $1, '')",
            now - 24 * HOUR_MS,
        )
        for hours in (48, 25):
            await conn.execute(insert, now - hours * HOUR_MS)
        while await conn.fetchval("SELECT waiting FROM expire_partition('rollup_10s')"):
            pass
        kept = await conn.fetchval(
            "SELECT array_agg(extract(epoch FROM now() - window_start)::integer / 3600) FROM rollup_10s "
            "WHERE series_id = 0 AND window_start < now() - interval '20 hours'"
        )
        await conn.execute(insert, now - 48 * HOUR_MS)
        await undone.rollback()

    assert [25] == kept
