"""Writes series, rollups of all tiers and the open coarse windows inside the pump's transaction.

Rows are absolute values. Late rows are merged with their stored rows here, which is safe because one owner writes a
partition. A row is only replaced by one with a higher revision. A burst of late points is divided into several
statements.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from asyncpg import UniqueViolationError
from numpy.typing import NDArray

from services.aggregator.adapters import collisions, copy, snapshot
from services.aggregator.adapters.groups import GroupTables
from services.aggregator.domain.windows.lateness import bites, revise, rows_to_revise
from services.aggregator.domain.work import RollupWork
from shared.ledger import table as ledger
from shared.model.rollup import NEVER_MS, Ints, Rollups
from shared.postgres import planning, rollup_rows
from shared.postgres.connections import Connection
from shared.postgres.maintenance import Deletion, Partitioned, Task
from shared.prepared import merged
from shared.prepared.tables import GROUP_TABLES, SERIES_TABLES
from shared.runtime import failpoint
from shared.stream.processor import Key
from shared.wire.series import SeriesId, series_id
from shared.wire.versions import OLD

TABLES = SERIES_TABLES
"""The table of each resolution."""

REVISED_ROWS = 5_000
"""Stored rows that are read, merged and written at once."""

_OLD_SERIES = """
DELETE FROM series WHERE series_id IN (
    SELECT series_id FROM series
    WHERE seen_on < (now() - interval '90 days'
                     - (SELECT max(keep + 3 * step) FROM retention WHERE table_name LIKE 'rollup%'))::date
    ORDER BY seen_on LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""
"""Its last row in a tier went with its partition, at most two steps after the retention."""

_KEEP = """
INSERT INTO open_window (topic, partition, resolution_ms, snapshot)
SELECT * FROM unnest($1::text[], $2::integer[], $3::integer[], $4::bytea[])
ON CONFLICT (topic, partition, resolution_ms) DO UPDATE SET snapshot = excluded.snapshot
"""

_DISORDER = "SELECT topic, disorder_ms FROM topic_setting WHERE topic = ANY($1)"

_KEPT = """
SELECT topic, partition, resolution_ms, snapshot FROM open_window
JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
"""

_STAGE = "CREATE TEMPORARY TABLE IF NOT EXISTS incoming ({}) ON COMMIT DELETE ROWS".format(
    ", ".join(f"{name} {form}" for name, form in copy.COLUMNS.items())
)

_MERGE = """
INSERT INTO {table} AS stored (window_start, series_id, revision, late_count, samples, count, sum, min, max, last,
                               last_at, watermark, extremes_estimated, distinct_sketch, sketch_bucket, sketch_weight)
SELECT window_start, series_id, revision, late_count, nullif(samples, '-9223372036854775808'), count, sum,
       nullif(min, 'Infinity'), nullif(max, '-Infinity'),
       CASE WHEN last_at > '-infinity' THEN last END, nullif(last_at, '-infinity'), watermark,
       extremes_estimated, distinct_sketch, sketch_bucket, sketch_weight
FROM incoming
ON CONFLICT (window_start, series_id) DO UPDATE
SET revision = excluded.revision, late_count = excluded.late_count, samples = excluded.samples,
    count = excluded.count, sum = excluded.sum,
    min = excluded.min, max = excluded.max, last = excluded.last, last_at = excluded.last_at,
    watermark = excluded.watermark, extremes_estimated = excluded.extremes_estimated,
    distinct_sketch = excluded.distinct_sketch, sketch_bucket = excluded.sketch_bucket,
    sketch_weight = excluded.sketch_weight
WHERE stored.revision < excluded.revision
"""

_MERGE_CLOSED = """
WITH written AS ({merge} RETURNING window_start, series_id)
SELECT extract(epoch FROM window_start)::bigint, series_id
FROM (SELECT window_start, series_id FROM incoming EXCEPT SELECT window_start, series_id FROM written) AS known
"""
"""Rows that were there before stay as they are; these are returned."""

_MISSED = """
UPDATE rollup_10s r SET kept_up = false
FROM unnest($1::bigint[], $2::bigint[]) AS missed (start_s, series_id)
WHERE r.series_id = missed.series_id AND r.window_start = to_timestamp(missed.start_s) AND r.kept_up
"""

_BY_KEY = planning.local(planning.BY_KEY)
"""Rows are looked up by key, whatever the planner's statistics say of tables that change every second."""

_REVISED = (
    "SELECT "
    + rollup_rows.selected("wanted.at")
    + """
FROM unnest('{{{start_s}}}'::bigint[], '{{{series_id}}}'::bigint[])
    WITH ORDINALITY AS wanted (start_s, series_id, at)
JOIN {table} r ON r.series_id = wanted.series_id AND r.window_start = to_timestamp(wanted.start_s) ORDER BY wanted.at
"""
)

MAINTENANCE: tuple[Task, ...] = (
    *map(Partitioned, (*TABLES.values(), *GROUP_TABLES.values(), merged.TABLE)),
    *ledger.MAINTENANCE,
    Deletion("series", _OLD_SERIES),
)
"""Keeps the partitions of all tiers, of their groups and of the ledger, and removes series without a row."""


class RollupTables:
    """The tables `series`, `rollup_*`, `open_window` and `ledger_1m`."""

    def __init__(
        self, version: int = OLD, id_of: SeriesId = series_id, groups: GroupTables | None = None
    ) -> None:
        self._version = version
        self._id_of = id_of
        self.groups = groups or GroupTables()
        """The prepared groups of the rows."""

    async def save(self, conn: Connection, works: Mapping[Key, RollupWork]) -> None:
        """Write what the works hold: closed windows first, then the rows that late points revise."""
        await collisions.save_series(conn, works, self._id_of)
        failpoint.hit("series_saved")
        await conn.execute(_STAGE)
        repeated: dict[int, dict[Key, NDArray[np.bool_]]] = {}
        for resolution_ms, table in TABLES.items():
            closed = {
                key: (work.closed[resolution_ms], work.ids[work.closed[resolution_ms].slot])
                for key, work in works.items()
                if resolution_ms in work.closed
            }
            if closed and (new := await _write_closed(conn, table, list(closed.values()))) is not None:
                repeated[resolution_ms] = dict(zip(closed, new, strict=True))
        failpoint.hit("closed_saved")
        if any(work.late for work in works.values()):
            await conn.execute(_BY_KEY)
        for work in works.values():
            await _save_late(conn, work)
            await _save_missed(conn, work)
        failpoint.hit("late_saved")
        await self.groups.save(conn, works, repeated)
        kept = [
            (*key, *part) for key, work in works.items() for part in snapshot.whole(key, work, self._version)
        ]
        if kept:
            await conn.execute(_KEEP, *map(list, zip(*kept, strict=True)))
        await ledger.add(conn, {key: work.ledger for key, work in works.items()})

    async def kept(self, conn: Connection, keys: Iterable[Key]) -> dict[Key, dict[int, bytes]]:
        """The coarse windows last stored whole, for each partition and resolution."""
        found: dict[Key, dict[int, bytes]] = {key: {} for key in keys}
        topics, partitions = [key.topic for key in found], [key.partition for key in found]
        for topic, partition, resolution_ms, packed in await conn.fetch(_KEPT, topics, partitions):
            found[Key(topic, partition)][resolution_ms] = packed
        return found

    async def disorder_bounds(self, conn: Connection, keys: Iterable[Key]) -> dict[str, int]:
        """The disorder bounds, in milliseconds, of those topics that have one of their own."""
        topics = sorted({key.topic for key in keys})
        return {str(row["topic"]): int(row["disorder_ms"]) for row in await conn.fetch(_DISORDER, topics)}

    async def collided(self, conn: Connection) -> frozenset[bytes]:
        """Series that were found to have the id of another."""
        return await collisions.kept(conn)

    async def rewrite(self, conn: Connection, kept: Mapping[Key, Mapping[int, bytes]]) -> None:
        """Let what is kept whole of these partitions be of the version that is written."""
        rows = [
            (*key, *part) for key, parts in kept.items() for part in snapshot.rewritten(parts, self._version)
        ]
        if rows:
            await conn.execute(_KEEP, *map(list, zip(*rows, strict=True)))


async def _save_late(conn: Connection, work: RollupWork) -> None:
    work.revised = {resolution_ms: [] for resolution_ms in work.late}
    for resolution_ms, late in work.late.items():
        for bite in bites(late, REVISED_ROWS):
            revised = await _revise(conn, TABLES[resolution_ms], work.ids, bite)
            work.revised[resolution_ms].append(revised)


async def _save_missed(conn: Connection, work: RollupWork) -> None:
    """Mark the rows that say less than those of the coarser tiers from now on."""
    start_ms, slot = work.missed
    for begin in range(0, len(slot), REVISED_ROWS):
        span = slice(begin, begin + REVISED_ROWS)
        await conn.execute(_MISSED, (start_ms[span] // 1000).tolist(), work.ids[slot[span]].tolist())


async def _write_closed(
    conn: Connection, table: str, closed: Sequence[copy.Part]
) -> list[NDArray[np.bool_]] | None:
    """Rows that are new go straight into their table, for half the cost; when a log is read once more some are not.

    Which rows of each part were new; None: all.
    """
    sampled = copy.are_sampled(closed)
    if sampled is not None and all(_lacks_nothing(rows) for rows, _ in closed):
        with suppress(UniqueViolationError):
            async with conn.transaction():
                await _copy(conn, table, closed, sampled=sampled)
            return None
    await _copy(conn, "incoming", closed)
    known = await conn.fetch(_MERGE_CLOSED.format(merge=_MERGE.format(table=table)))
    await conn.execute("TRUNCATE incoming")
    return [~_are_among(part, known) for part in closed] if known else None


def _are_among(part: copy.Part, known: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which rows have the start, in seconds there, and the series id of a known one."""
    wanted = {(1000 * start_s, one) for start_s, one in known}
    rows = zip(part[0].start_ms.tolist(), part[1].tolist(), strict=True)
    return np.array([row in wanted for row in rows], np.bool_)


def _lacks_nothing(rows: Rollups) -> bool:
    """Whether no row has a null in the table, its samples aside."""
    known = np.isfinite(rows.min) & np.isfinite(rows.max) & (rows.last_ms > NEVER_MS)
    return bool(known.all())


async def _merge(conn: Connection, table: str, parts: Sequence[copy.Part]) -> None:
    await _copy(conn, "incoming", parts)
    await conn.execute(_MERGE.format(table=table))
    await conn.execute("TRUNCATE incoming")


async def _copy(conn: Connection, table: str, parts: Sequence[copy.Part], *, sampled: bool = True) -> None:
    source, columns = copy.stream(parts, sampled=sampled), copy.columns(sampled=sampled)
    await conn.copy_to_table(table, source=source, columns=columns, format="binary")


async def _revise(conn: Connection, table: str, ids: Ints, late: Rollups) -> Rollups:
    """Merge late rows with their stored ones, those closed by this very transaction included."""
    start_ms, slot = rows_to_revise(late)
    wanted = {"start_s": _listed(start_ms // 1000), "series_id": _listed(ids[slot])}
    stored = await rollup_rows.read(conn, _REVISED.format(table=table, **wanted))
    stored.rollups.slot = slot[stored.place - 1]
    revised = revise(stored.rollups, late)
    await _merge(conn, table, [(revised, ids[revised.slot])])
    return revised


def _listed(numbers: Ints) -> str:
    return ",".join(map(str, numbers.tolist()))
