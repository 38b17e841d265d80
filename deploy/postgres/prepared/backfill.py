"""Back-fill: prepared groups of windows that had closed before anybody prepared them, from the rows of their series.

Times are milliseconds UTC. Tier by tier, newest windows first, in pieces that are a transaction each. A piece is
computed from a snapshot, and written under the locks of all checkpoints if no row of its series has changed since: so
no commit of an owner comes in between, and late points find either no group to change, or a whole one. Invariant: a run
that ends anywhere has done whole pieces, and the next one goes on from there.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import numpy as np

from deploy.postgres.prepared.series_rows import SeriesRows, Span
from shared.errors import Misconfigured
from shared.model.rollup import Rollups
from shared.model.window import TIERS_MS
from shared.postgres.connections import AnyConnection, SingleConnection
from shared.postgres.instants import at, ms_of
from shared.prepared import tables
from shared.prepared.label_sets import LabelSet, LabelSets, matches, set_of
from shared.prepared.tables import GROUP_TABLES, SERIES_TABLES, Partition
from shared.wire.versions import NEW, OLD

MOST_ROWS = 200_000
"""Rows of series that a piece of several windows should not have more of."""

ATTEMPTS = 3
"""Times that a piece is computed beside the owners, before it makes them wait."""

_TOPICS = "SELECT DISTINCT topic FROM prepared_group ORDER BY topic"

_ROUTED_BY = "SELECT coalesce(max(routed_by), count(*)) FROM partition_state WHERE topic = $1"

_METRICS = "SELECT DISTINCT metric FROM series ORDER BY metric"

_KEPT = """
SELECT pattern, label_set, (extract(epoch FROM max(since)) * 1000)::double precision AS since_ms,
       count(*) FILTER (WHERE g.epoch = p.epoch) AS kept, (SELECT count(*) FROM partition_state WHERE topic = $1) AS all
FROM prepared_group g JOIN partition_state p USING (topic, partition) WHERE topic = $1 AND resolution_ms = $2
GROUP BY pattern, label_set ORDER BY pattern, label_set
"""

_NEWEST_BEFORE = "SELECT max(window_start) FROM {} WHERE window_start < $1 AND window_start >= $2"

_OLDEST = "SELECT min(window_start) FROM {}"

_LOCK = "SELECT partition FROM partition_state WHERE topic = $1 ORDER BY topic, partition FOR UPDATE"

_STATE = "SELECT count(*), coalesce(sum(revision), 0) FROM {} WHERE window_start >= $1 AND window_start < $2"
"""Every change of a row raises one of them."""

_REMOVE = """
DELETE FROM {} g USING unnest($4::text[], $5::text[]) AS gone (metric, label_set)
WHERE g.topic = $1 AND g.window_start >= $2 AND g.window_start < $3
    AND g.metric = gone.metric AND g.label_set = gone.label_set
"""

_FORGET = """
UPDATE prepared_group g SET since = greatest(since, date_bin(resolution_ms * interval '1 millisecond', newest, 'epoch'))
FROM (SELECT to_timestamp(max(watermark_ms) / 1000.0) AS newest FROM partition_state WHERE topic = $1) AS open_now
WHERE topic = $1
"""

_LOWER = """
UPDATE prepared_group g SET since = least(since, $3::timestamptz)
FROM unnest($4::text[], $5::text[]) AS filled (pattern, label_set)
WHERE g.topic = $1 AND g.resolution_ms = $2 AND g.pattern = filled.pattern AND g.label_set = filled.label_set
"""


class KeptSet(NamedTuple):
    """A label set of a pattern in one tier, over all partitions."""

    pattern: str
    label_set: str
    since_ms: float
    """Start of the first window that is whole in all partitions that keep it."""
    kept: int
    """Partitions whose owner keeps it."""
    partitions: int
    """All partitions."""

    @property
    def everywhere(self) -> bool:
        """Whether all partitions keep it."""
        return self.kept == self.partitions


class Piece(NamedTuple):
    """Windows whose groups are made at once, of some sets."""

    span: Span
    sets: Sequence[KeptSet]


class Done(NamedTuple):
    """A piece that was written."""

    span: Span
    rows: int
    """Of series."""
    groups: int
    """Rows of prepared groups."""


async def topic_of(conn: AnyConnection) -> str:
    """The topic whose groups are prepared; raise `Misconfigured` unless there is exactly one."""
    topics = [row[0] for row in await conn.fetch(_TOPICS)]
    if not topics:
        raise Misconfigured("no aggregator has prepared groups yet: start one with a file of label sets")
    if len(topics) > 1:
        raise Misconfigured(
            f"{', '.join(topics)} share these tables, so that nobody can say whose series are whose"
        )
    return str(topics[0])


async def kept_sets(conn: AnyConnection, topic: str, tier: int) -> list[KeptSet]:
    """The label sets that any partition keeps in a tier."""
    return [KeptSet(*row) for row in await conn.fetch(_KEPT, topic, tier)]


async def routed_by(conn: AnyConnection, topic: str) -> int:
    """By how many partitions the series of a topic are divided."""
    return int(await conn.fetchval(_ROUTED_BY, topic))


def label_sets_of(kept: Sequence[KeptSet]) -> LabelSets:
    """The same as a file has them."""
    by_pattern: dict[str, tuple[LabelSet, ...]] = {}
    for one in kept:
        by_pattern[one.pattern] = (*by_pattern.get(one.pattern, ()), set_of(one.label_set))
    return LabelSets(by_pattern)


class Backfill:
    """A back-fill of one topic; no window that starts before `since_ms` is filled in."""

    def __init__(self, conn: SingleConnection, topic: str, since_ms: int = 0) -> None:
        self._conn = conn
        self._topic = topic
        self._since_ms = since_ms
        self._readers: dict[tuple[tuple[str, str], ...], SeriesRows] = {}

    async def forget(self) -> None:
        """Let no closed window count as prepared, so that all are made anew."""
        async with self._conn.transaction():
            await self._conn.execute(_LOCK, self._topic)
            await self._conn.execute(_FORGET, self._topic)

    async def run(self) -> AsyncIterator[Done]:
        """Fill in what is missing, piece by piece, the coarsest tier first."""
        for tier in reversed(TIERS_MS):
            windows = 1
            while (piece := await self._next(tier, windows)) is not None:
                done = await self._fill(piece)
                yield done
                windows = windows * 2 if 2 * done.rows <= MOST_ROWS else max(1, windows // 2)

    async def _next(self, tier: int, windows: int) -> Piece | None:
        """The newest windows of a tier that lack some sets which all partitions keep; None: there are none."""
        oldest = await self._conn.fetchval(_OLDEST.format(SERIES_TABLES[tier]))
        kept = [one for one in await kept_sets(self._conn, self._topic, tier) if one.everywhere]
        if oldest is None or not kept:
            return None
        floor_ms = max(ms_of(oldest), self._since_ms + -self._since_ms % tier)
        end_ms = max(one.since_ms for one in kept)
        if end_ms <= floor_ms:
            return None
        bound_ms = int(max([floor_ms, *(one.since_ms for one in kept if one.since_ms < end_ms)]))
        query = _NEWEST_BEFORE.format(SERIES_TABLES[tier])
        newest = await self._conn.fetchval(query, at(int(end_ms)), at(bound_ms))
        # Windows without rows, behind the newest that has some, take no time.
        begin_ms = bound_ms if newest is None else max(bound_ms, ms_of(newest) - (windows - 1) * tier)
        return Piece(Span(tier, begin_ms, int(end_ms)), [one for one in kept if one.since_ms == end_ms])

    async def _fill(self, piece: Piece) -> Done:
        metrics = [str(row[0]) for row in await self._conn.fetch(_METRICS)]
        reader = await self._reader(piece.sets)
        asked = None if any(one.pattern == "*" for one in piece.sets) else _asked(piece.sets, metrics)
        for _ in range(ATTEMPTS):
            async with self._conn.transaction(isolation="repeatable_read", readonly=True):
                state = await self._state(piece)
                rows = await reader.read(self._conn, piece.span, asked)
            async with self._conn.transaction():
                await self._conn.execute(_LOCK, self._topic)
                if await self._state(piece) == state:
                    return await self._write(piece, _pairs(piece.sets, metrics), reader, rows)
        async with self._conn.transaction():
            await self._conn.execute(_LOCK, self._topic)
            rows = await reader.read(self._conn, piece.span, asked)
            return await self._write(piece, _pairs(piece.sets, metrics), reader, rows)

    async def _reader(self, sets: Sequence[KeptSet]) -> SeriesRows:
        """What has read rows for these sets before: it knows their series."""
        key = tuple((one.pattern, one.label_set) for one in sets)
        if key not in self._readers:
            self._readers[key] = SeriesRows(label_sets_of(sets), await routed_by(self._conn, self._topic))
        return self._readers[key]

    async def _state(self, piece: Piece) -> tuple[object, ...]:
        """What no owner may have changed when a piece is written."""
        tier, begin_ms, end_ms = piece.span
        row = await self._conn.fetchrow(_STATE.format(SERIES_TABLES[tier]), at(begin_ms), at(end_ms))
        return *row, *await kept_sets(self._conn, self._topic, tier)

    async def _write(
        self, piece: Piece, pairs: Sequence[tuple[str, str]], reader: SeriesRows, rows: Rollups
    ) -> Done:
        tier, begin_ms, end_ms = piece.span
        gone = [metric for metric, _ in pairs], [label_set for _, label_set in pairs]
        await self._conn.execute(
            _REMOVE.format(GROUP_TABLES[tier]), self._topic, at(begin_ms), at(end_ms), *gone
        )
        version = OLD if np.isnan(rows.samples).all() else NEW
        new = [
            record
            for partition, parts in reader.by_partition(rows)
            for groups in parts
            for record in tables.records(Partition(self._topic, partition), tier, groups, version)
        ]
        await tables.add(self._conn, tier, new)
        filled = [one.pattern for one in piece.sets], [one.label_set for one in piece.sets]
        await self._conn.execute(_LOWER, self._topic, tier, at(begin_ms), *filled)
        return Done(piece.span, len(rows), len(new))


def _asked(sets: Sequence[KeptSet], metrics: Sequence[str]) -> list[str]:
    """The metrics that have any of these sets."""
    return [metric for metric in metrics if any(matches(one.pattern, metric) for one in sets)]


def _pairs(sets: Sequence[KeptSet], metrics: Sequence[str]) -> list[tuple[str, str]]:
    """Metrics with those of these sets that they have."""
    found = {(metric, one.label_set) for one in sets for metric in metrics if matches(one.pattern, metric)}
    return sorted(found)
