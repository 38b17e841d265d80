"""Rows of series as the tables have them, put together as the aggregator does it.

Times are milliseconds UTC. A series belongs to the partition that its id is routed to; the overflow series that an
aggregator made for a series without an id of its own says its partition in a label.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np
import orjson

from shared.model.rollup import Rollups, concatenate
from shared.model.series import Series
from shared.postgres import rollup_rows
from shared.postgres.connections import AnyConnection
from shared.postgres.instants import at
from shared.prepared.grouping import (
    PreparedRow,
    PreparedRows,
    SeriesCodec,
    SeriesGroups,
    grouped,
    put_together,
)
from shared.prepared.label_sets import LabelSets
from shared.prepared.tables import SERIES_TABLES
from shared.wire.series import pack, partition_of, unpack

NO_SERIES = -1
"""Stands for a series that is in no table."""

CODEC = SeriesCodec(unpack, pack)

_ROWS = (
    "SELECT "
    + rollup_rows.selected("0")
    + "FROM {table} r WHERE r.window_start >= $1 AND r.window_start < $2"
)

_OF_METRICS = " AND r.series_id IN (SELECT s.series_id FROM series s WHERE s.metric = ANY($3::text[]))"

_NAMES = "SELECT series_id, tenant_id, metric, kind, unit, labels::text FROM series WHERE series_id = ANY($1::bigint[])"


class Span(NamedTuple):
    """Windows of one tier that start in [begin, end)."""

    resolution_ms: int
    begin_ms: int
    end_ms: int


class SeriesRows:
    """Reads rows of series, and puts them together by label sets."""

    def __init__(self, sets: LabelSets, routed_by: int) -> None:
        self._routed_by = routed_by
        self._index = SeriesGroups(sets, CODEC)
        self._series: list[bytes] = []
        self._partitions: list[int] = []
        self._slots: dict[int, int] = {}

    async def read(self, conn: AnyConnection, span: Span, metrics: Sequence[str] | None = None) -> Rollups:
        """The rows of these windows by window and id, of all metrics or of some; slots mean what this object knows.

        Rows of a series that is in no table any more are left out: nobody could ask for them.
        """
        tier, begin_ms, end_ms = span
        asked = (at(begin_ms), at(end_ms), *(() if metrics is None else (metrics,)))
        query = _ROWS.format(table=SERIES_TABLES[tier]) + ("" if metrics is None else _OF_METRICS)
        _, series_id, rows = rollup_rows.parsed(await rollup_rows.stream(conn, query, *asked))
        ids, of_row = np.unique(series_id, return_inverse=True)
        await self._know(conn, [one for one in ids.tolist() if one not in self._slots])
        slots = np.array([self._slots.get(one, NO_SERIES) for one in ids.tolist()], np.int64)
        rows.slot = slots[of_row]
        order = np.lexsort((series_id, rows.start_ms))
        return rows.take(order[rows.slot[order] != NO_SERIES])

    async def _know(self, conn: AnyConnection, ids: Sequence[int]) -> None:
        for series_id, tenant_id, metric, kind, unit, labels in await conn.fetch(_NAMES, ids):
            named = orjson.loads(labels)
            self._slots[series_id] = len(self._series)
            self._series.append(pack(Series(tenant_id, metric, kind, unit, tuple(sorted(named.items())))))
            self._partitions.append(_owner(named, series_id, self._routed_by))

    def by_partition(self, rows: Rollups) -> Iterator[tuple[int, Iterator[PreparedRows]]]:
        """The groups of these rows, one partition after another."""
        grouping = self._index.of(self._series)
        owner = np.array(self._partitions, np.int64)[rows.slot]
        for partition in np.unique(owner).tolist():
            yield partition, grouped(grouping, rows.take(np.flatnonzero(owner == partition)))

    def together(self, rows: Iterable[PreparedRow]) -> Iterator[PreparedRow]:
        """The groups of all partitions, by window and key."""
        groups = self._index.of(self._series).groups
        parts = [
            replace(row.rollups, slot=np.array([groups.number(row.key, one) for one in row.series], np.int64))
            for row in rows
        ]
        if parts:
            whole = concatenate(parts)
            yield from put_together(groups, whole, whole.slot)

    def whole(self, rows: Rollups) -> Iterator[PreparedRow]:
        """The groups of these rows, whatever partition they are of."""
        return chain.from_iterable(grouped(self._index.of(self._series), rows))


def _owner(labels: dict[str, str], series_id: int, routed_by: int) -> int:
    said = labels.get("partition", "")
    if labels.get("overflow") == "true" and said.isdecimal() and int(said) < routed_by:
        return int(said)
    return partition_of(series_id, routed_by)
