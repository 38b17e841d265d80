"""A partition of some series with its tables in Postgres: rows and prepared groups, fed and committed by hand."""

from collections.abc import Mapping
from dataclasses import replace
from random import SystemRandom

import numpy as np

from deploy.postgres.prepared import comparison
from deploy.postgres.prepared.comparison import GroupTier
from services.aggregator.adapters import collisions, snapshot
from services.aggregator.adapters.groups import CODEC, GroupTables
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import BASE_MS, TIERS_MS, start_of
from shared.postgres import connections, rollup_rows
from shared.postgres.instants import at
from shared.prepared import tables
from shared.prepared.grouping import SeriesGroups, grouped
from shared.prepared.label_sets import NO_SETS, LabelSets
from shared.prepared.tables import GROUP_TABLES, SERIES_TABLES, Partition
from shared.runtime.clock import now_ms
from shared.stream.ownership import Ownership
from shared.stream.processor import Key
from shared.wire.series import SeriesId, checked, kind_of, pack, partition_of, series_id, tenant_of
from shared.wire.versions import NEW

SETS = LabelSets({"*": ((),), "m*": (("a",), ("a", "b"))})


class Owned:
    """A partition of two metrics; the only one of its topic has six series."""

    def __init__(
        self,
        pool: connections.Pool,
        tenant_id: int,
        sets: LabelSets = SETS,
        *,
        id_of: SeriesId = series_id,
        partition: int = 0,
        partitions: int = 1,
    ) -> None:
        self._pool = pool
        self.tenant_id = tenant_id
        self.key = Key(f"{tenant_id}.telemetry.metrics.v1", partition)
        self.tables = RollupTables(NEW, id_of, GroupTables(sets, NEW))
        self._names = SeriesNames(id_of, collisions.overflow_in(partition))
        named = [
            pack(Series(tenant_id, metric, "gauge", "", (("a", str(n % 2)), ("b", str(n)))))
            for metric in ("m", "other")
            for n in range(3 * partitions**2)
        ]
        self.series = [packed for packed in named if partition_of(series_id(packed), partitions) == partition]
        self.start_ms = start_of(now_ms(), TIERS_MS[-1]) - 3_600_000
        self.fold = self._fold(None, {})
        self._index = self.tables.groups.index()
        self._seq = 0

    def _fold(self, watermark_ms: int | None, seen: dict[str, tuple[int, int]]) -> PartitionFold:
        return PartitionFold(checked, tenant_of, kind_of, self._names, watermark_ms=watermark_ms, seen=seen)

    async def acquire(self, *, strangers: int = 0, sets: LabelSets | None = None) -> None:
        """Become the owner, after so many that keep no groups; with the label sets of another file if given."""
        if sets is not None:
            self.tables = RollupTables(NEW, groups=GroupTables(sets, NEW))
            self._index = self.tables.groups.index()
        async with connections.connection(self._pool) as conn:
            await conn.execute(
                "UPDATE partition_state SET epoch = epoch + $3 WHERE topic = $1 AND partition = $2",
                *self.key,
                strangers,
            )
        await Ownership(self._pool, "me").acquire([self.key], self.tables.groups.begin)

    def feed(self, at_ms: int, points: Points | None = None) -> None:
        """A message received so long after the start; its points count from there."""
        self._seq += 1
        given = points or Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))
        given = replace(given, ts_ms=given.ts_ms + self.start_ms)
        series = self.series if points else []
        self.fold.fold(Arrival("g", self._seq, self.start_ms + at_ms, series), given)

    def one(self, at_ms: int, ts_ms: int, slot: int = 0) -> None:
        """A message with one point."""
        self.feed(at_ms, Points(np.array([slot], np.uint16), np.array([ts_ms]), np.array([2.0])))

    async def commit(self) -> RollupWork:
        """Write what was gathered."""
        work = self.fold.checkpoint()
        work.grouping = self._index.of(work.series) if self._index else None
        async with connections.connection(self._pool) as conn, conn.transaction():
            await conn.execute(
                "UPDATE partition_state SET watermark_ms = $3 WHERE topic = $1 AND partition = $2",
                *self.key,
                self.fold.watermark_ms,
            )
            await self.tables.save(conn, {self.key: work})
        return work

    async def restart(self, work: RollupWork) -> None:
        """Another process acquires the partition after this commit."""
        packed = snapshot.encode(self.key, work, NEW)
        opened = snapshot.decode(self.key, packed) if packed else snapshot.NOTHING
        async with connections.connection(self._pool) as conn:
            whole = await self.tables.kept(conn, [self.key])
        self.fold = self._fold(self.fold.watermark_ms, self.fold.seen)
        self.fold.restore(opened.open, snapshot.opened(self.key, whole[self.key]).windows, opened.amended)
        self._index = self.tables.groups.index()
        await self.acquire()

    async def forget(self) -> None:
        """Remove the rows, as if nothing had been read yet."""
        async with connections.connection(self._pool) as conn:
            for table in GROUP_TABLES.values():
                await conn.execute(f"DELETE FROM {table} WHERE tenant_id = $1", self.tenant_id)
            ids = list(map(series_id, self.series))
            for table in SERIES_TABLES.values():
                await conn.execute(f"DELETE FROM {table} WHERE series_id = ANY($1)", ids)
            for table in ("prepared_group", "open_window", "partition_state"):
                await conn.execute(f"DELETE FROM {table} WHERE topic = $1", self.key.topic)

    async def groups(self, tier: int) -> dict[tuple[int, str, str], bytes]:
        """The rows of a tier by milliseconds after the start, metric and label set, as they are stored."""
        async with connections.connection(self._pool) as conn:
            rows = await conn.fetch(
                f"SELECT window_start, metric, label_set, packed FROM {GROUP_TABLES[tier]} "
                "WHERE tenant_id = $1 AND partition = $2",
                self.tenant_id,
                self.key.partition,
            )
        return {(int(row[0].timestamp() * 1000) - self.start_ms, row[1], row[2]): row[3] for row in rows}

    async def merges(self, tier: int, sets: LabelSets = SETS) -> dict[tuple[int, str, str], bytes]:
        """What the rows of the series make."""
        query = "SELECT " + rollup_rows.selected("0") + f" FROM {SERIES_TABLES[tier]} r "
        series = sorted(self.series, key=series_id)
        query += (
            f"WHERE series_id IN ({', '.join(str(series_id(packed)) for packed in series)}) ORDER BY 5, 4"
        )
        async with connections.connection(self._pool) as conn:
            stored = await rollup_rows.read(conn, query)
        ids = np.array([series_id(packed) for packed in series])
        rows = replace(stored.rollups, slot=np.searchsorted(ids, stored.series_id))
        made = grouped(SeriesGroups(sets, CODEC).of(series), rows)
        return {
            (row.start_ms - self.start_ms, row.key.metric, row.key.label_set): record[-1]
            for part in made
            for row, record in zip(part, tables.records(Partition(*self.key), tier, part, NEW), strict=True)
        }

    async def agrees(self, tier: int, sets: LabelSets = SETS, since_ms: float = float("-inf")) -> bool:
        """Whether the groups of windows from `since_ms` on are the merges of their rows, and there are some."""
        merges = {
            place: row for place, row in (await self.merges(tier, sets)).items() if place[0] >= since_ms
        }
        return bool(merges) and figures(merges) == figures(await self.groups(tier))

    async def since(self, tier: int = BASE_MS) -> dict[tuple[str, str], float]:
        """Since when which set is kept, in milliseconds after the start."""
        async with connections.connection(self._pool) as conn:
            found = await tables.since(conn, [Partition(*self.key)])
        sets = found.get((Partition(*self.key), tier), ())
        return {(one.pattern, one.label_set): one.since_ms - self.start_ms for one in sets}


def figures(rows: Mapping[tuple[int, str, str], bytes]) -> dict[tuple[int, str, str], tuple[object, ...]]:
    """Groups with their figures, but for the watermark."""
    found: dict[tuple[int, str, str], tuple[object, ...]] = {}
    for key, packed in rows.items():
        row = tables.decoded((at(0), 0, "", "", packed))
        shown = replace(row.rollups, watermark_ms=np.zeros(len(row.series), np.int64))
        found[key] = row.series, _listed(shown)
    return found


def _listed(rows: Rollups) -> dict[str, list[object]]:
    return {name: getattr(rows, name).tolist() for name in rows.__slots__}


def drawn(
    random: np.random.Generator, rows: int, low_ms: int, high_ms: int, owned: Owned | None = None
) -> Points:
    """Points of dyadic values, some taken back, some with strings, of the series of a partition, else of six."""
    return Points(
        random.integers(0, len(owned.series) if owned else 6, rows).astype(np.uint16),
        random.integers(low_ms, high_ms, rows),
        random.choice([-2.0, 0.0, 0.5, 300.0], rows),
        random.choice([1.0, 1.0, 1.0, 2.0, -1.0], rows),
        distinct=random.choice(np.array([0, 0, 1 << 62, 77 << 40], np.uint64), rows),
    )


async def compared(conn: connections.AnyConnection, topic: str, tenant_id: int) -> list[GroupTier]:
    """The comparison that the audit makes, of all windows that have closed."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        closed_ms = await conn.fetchval(
            "SELECT coalesce(min(watermark_ms), 0) FROM partition_state WHERE topic = $1", topic
        )
        spans = {tier: (0, start_of(closed_ms, tier)) for tier in TIERS_MS}
        return await comparison.compare(conn, topic, spans, tenant_id)


class Topic:
    """Two partitions whose owners prepare groups from some point on."""

    def __init__(self, pool: connections.Pool) -> None:
        tenant_id = SystemRandom().randrange(1 << 40)
        self.parts = [Owned(pool, tenant_id, NO_SETS, partition=at, partitions=2) for at in range(2)]
        self.parts[1].start_ms = self.parts[0].start_ms
        self.random = np.random.default_rng(tenant_id)
        self.at_ms = 0

    async def go_on(self, steps: int, step_ms: int = 31_000) -> None:
        """Points of now and late ones in each partition, then time alone; committed now and then."""
        for _ in range(steps):
            self.at_ms += step_ms
            for part in self.parts:
                part.feed(
                    self.at_ms, drawn(self.random, 12, max(0, self.at_ms - 900_000), self.at_ms + 1, part)
                )
                part.feed(self.at_ms)
                if self.random.random() < 0.5:
                    await part.commit()

    async def acquire(self, sets: LabelSets) -> None:
        """Owners with another file take over."""
        for part in self.parts:
            await part.commit()
            await part.acquire(sets=sets)

    async def agree(self, sets: LabelSets = SETS) -> bool:
        """Whether all groups of all windows are the merges of their rows."""
        return all([await part.agrees(tier, sets) for part in self.parts for tier in TIERS_MS])
