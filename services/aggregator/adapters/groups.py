"""Writes prepared groups inside the pump's transaction: those of closed windows, and what late points change in them.

Times are milliseconds UTC. A row is replaced by its whole new state, which is safe because one owner writes a
partition, and because whoever else writes one locks the checkpoint first. Invariant: a row from `since` on says what
the rows of its series say, also when a log is read once more: rows that were there already add nothing.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from asyncpg import UniqueViolationError
from numpy.typing import NDArray

from services.aggregator.domain import groups
from services.aggregator.domain.partition_series import in_order
from services.aggregator.domain.work import RollupWork
from shared.model.rollup import Rollups
from shared.model.window import TIERS_MS, start_of
from shared.postgres.connections import Connection
from shared.prepared import tables
from shared.prepared.grouping import Grouping, SeriesCodec, SeriesGroups
from shared.prepared.label_sets import NO_SETS, LabelSets, text_of
from shared.prepared.tables import SERIES_TABLES, Partition, SetsByTier, since_of
from shared.runtime import failpoint
from shared.stream.processor import Key, Stored
from shared.wire.series import pack, unpack
from shared.wire.versions import OLD

CODEC = SeriesCodec(unpack, pack)
"""How groups and series are written."""

ADDED_ROWS = 2_000
"""Rows of prepared groups that are made and written at once: a server waits for the next ones for some seconds only."""

CHANGED_ROWS = 200
"""Rows of prepared groups that are read, merged and written at once."""

_FORGET = """
DELETE FROM prepared_group g USING unnest($1::text[], $2::integer[]) AS owned (topic, partition)
WHERE g.topic = owned.topic AND g.partition = owned.partition
    AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::text[]) AS known (pattern, label_set)
                    WHERE known.pattern = g.pattern AND known.label_set = g.label_set)
"""

_BEGIN = """
INSERT INTO prepared_group AS kept (topic, partition, epoch, resolution_ms, since, pattern, label_set)
SELECT topic, partition, epoch, resolution_ms, coalesce(to_timestamp(since_s), '-infinity'), pattern, label_set
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::integer[], $5::bigint[])
        AS owned (topic, partition, epoch, resolution_ms, since_s),
    unnest($6::text[], $7::text[]) AS known (pattern, label_set)
ON CONFLICT (topic, partition, resolution_ms, pattern, label_set) DO UPDATE SET epoch = excluded.epoch,
    since = CASE WHEN kept.epoch = excluded.epoch - 1 THEN kept.since ELSE excluded.since END
"""
"""A set whose epoch is not the one before was not kept by the owner in between."""

_NEWEST = "SELECT (extract(epoch FROM max(window_start)) * 1000)::bigint FROM {}"


class Change(NamedTuple):
    """Rows of series that add to the groups of a partition, in order."""

    owner: Partition
    resolution_ms: int
    grouping: Grouping
    rows: Rollups


class GroupTables:
    """The tables `rollup_group_*` and `prepared_group`."""

    def __init__(self, sets: LabelSets = NO_SETS, version: int = OLD) -> None:
        self._sets = sets
        self._version = version

    def index(self) -> SeriesGroups | None:
        """Learns the groups of the series of a partition; None: none are prepared."""
        return SeriesGroups(self._sets, CODEC) if self._sets.by_pattern else None

    async def begin(self, conn: Connection, stored: Mapping[Key, Stored]) -> None:
        """Say what is kept of these partitions from now on: from the first window that has not closed yet."""
        pairs = [(pattern, text_of(one)) for pattern, one in self._sets.pairs()]
        known = [pattern for pattern, _ in pairs], [one for _, one in pairs]
        await conn.execute(_FORGET, *map(list, zip(*stored, strict=True)), *known)
        if not pairs:
            return
        unsure = any(one.watermark_ms is None and one.epoch > 1 for one in stored.values())
        newest = await _newest(conn) if unsure else {}
        rows = [
            (*key, one.epoch, tier, _since_s(one, tier, newest.get(tier)))
            for key, one in stored.items()
            for tier in TIERS_MS
        ]
        await conn.execute(_BEGIN, *map(list, zip(*rows, strict=True)), *known)

    async def save(
        self,
        conn: Connection,
        works: Mapping[Key, RollupWork],
        repeated: Mapping[int, Mapping[Key, NDArray[np.bool_]]],
    ) -> None:
        """Write the groups of closed windows, then what late points change.

        `repeated` says, of tiers in which closed rows were there already, which ones were not.
        """
        works = {key: work for key, work in works.items() if work.grouping is not None}
        changes: list[Change] = []
        for tier in TIERS_MS:
            closed = {key: work for key, work in works.items() if tier in work.closed}
            if tier in repeated or not await self._added(conn, tier, closed):
                changes += _as_changes(tier, closed, repeated.get(tier, {}))
        changes += [
            Change(Partition(*key), tier, work.grouping, rows)
            for key, work in works.items()
            if work.grouping is not None
            for tier, rows in work.late.items()
        ]
        sets = await tables.since(conn, {one.owner for one in changes}) if changes else {}
        for change in changes:
            await self._change(conn, change, sets)
        failpoint.hit("groups_saved")

    async def _added(self, conn: Connection, tier: int, closed: Mapping[Key, RollupWork]) -> bool:
        """Write the groups of windows that none was written of; False, and nothing written: of some there was one."""
        if not closed:
            return True
        try:
            async with conn.transaction():
                for key, work in closed.items():
                    records = self._records(key, work, tier)
                    while portion := list(islice(records, ADDED_ROWS)):
                        await tables.add(conn, tier, portion)
        except UniqueViolationError:
            return False
        return True

    def _records(self, key: Key, work: RollupWork, tier: int) -> Iterator[tuple[Any, ...]]:
        if work.grouping is not None:
            for rows in groups.closed_groups(work.grouping, work.closed[tier], work.ids):
                yield from tables.records(Partition(*key), tier, rows, self._version)

    async def _change(self, conn: Connection, change: Change, sets: SetsByTier) -> None:
        kept = sets.get((change.owner, change.resolution_ms), ())
        known = change.grouping.groups
        for deltas in groups.deltas(change.grouping, change.rows, partial(since_of, kept)):
            for portion in groups.portions(known, deltas, CHANGED_ROWS):
                keys = groups.changed_rows(known, portion)
                stored = await tables.read(conn, change.owner, change.resolution_ms, keys)
                changed = groups.revised(known, stored, portion)
                new = list(tables.records(change.owner, change.resolution_ms, changed, self._version))
                await tables.replace(conn, change.resolution_ms, new)


def _as_changes(
    tier: int, closed: Mapping[Key, RollupWork], new: Mapping[Key, NDArray[np.bool_]]
) -> list[Change]:
    """Closed rows as what they add to groups that may be there: those that are new."""
    changes = []
    for key, work in closed.items():
        rows = work.closed[tier]
        if key in new:
            rows = rows.take(np.flatnonzero(new[key]))
        if work.grouping is not None:
            changes.append(Change(Partition(*key), tier, work.grouping, in_order(rows, work.ids[rows.slot])))
    return changes


async def _newest(conn: Connection) -> dict[int, int | None]:
    """The start of the newest window of any partition, by resolution."""
    return {tier: await conn.fetchval(_NEWEST.format(table)) for tier, table in SERIES_TABLES.items()}


def _since_s(stored: Stored, tier: int, newest_ms: int | None) -> int | None:
    """The first window, in seconds, that will be written whole; None: all windows.

    A partition that was owned before and has no watermark may have been reset: it begins behind what there is.
    """
    if stored.watermark_ms is not None:
        return start_of(stored.watermark_ms, tier) // 1000
    return None if newest_ms is None else (newest_ms + tier) // 1000
