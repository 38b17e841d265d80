"""The tables of prepared groups: `rollup_group_*`, and `prepared_group`, which says what is in them since when.

Times are milliseconds UTC. A partition is named by its topic and its number. What an owner writes here goes into the
transaction that moves its checkpoint; everybody else locks the rows of `partition_state` first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from shared.model.window import TIERS_MS
from shared.postgres import planning
from shared.postgres.connections import AnyConnection
from shared.postgres.instants import at
from shared.prepared.grouping import GroupKey, PreparedRow, PreparedRows
from shared.prepared.label_sets import matches
from shared.wire.rollups import WindowBatch
from shared.wire.stored import groups
from shared.wire.versions import OLD

GROUP_TABLES = dict(zip(TIERS_MS, ("rollup_group_10s", "rollup_group_1m", "rollup_group_15m"), strict=True))
"""The table of each resolution."""

SERIES_TABLES = dict(zip(TIERS_MS, ("rollup_10s", "rollup_1m", "rollup_15m"), strict=True))
"""The table of the series whose rows they put together."""

COLUMNS = ("window_start", "tenant_id", "metric", "label_set", "topic", "partition", "packed")

_TYPES = "$1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bytea[]"

_REPLACE = f"""
INSERT INTO {{table}} ({", ".join(COLUMNS)}) SELECT * FROM unnest({_TYPES})
ON CONFLICT (tenant_id, metric, label_set, window_start, topic, partition) DO UPDATE SET packed = excluded.packed
"""  # noqa: S608 # the text is a constant

_READ = """
SELECT g.window_start, g.tenant_id, g.metric, g.label_set, g.packed
FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[])
    AS wanted (window_start, tenant_id, metric, label_set)
JOIN {table} g USING (window_start, tenant_id, metric, label_set)
WHERE g.topic = $5 AND g.partition = $6
"""

_WITHIN = """
SELECT window_start, tenant_id, metric, label_set, packed FROM {table}
WHERE tenant_id = $1 AND metric = $2 AND label_set = $3 AND window_start >= $4 AND window_start < $5
ORDER BY window_start, topic, partition
"""

_WHOLE_SINCE = """
SELECT resolution_ms, pattern, label_set, (extract(epoch FROM max(since)) * 1000)::double precision
FROM prepared_group g JOIN partition_state p USING (topic, partition) WHERE topic = $1 AND g.epoch = p.epoch
GROUP BY resolution_ms, pattern, label_set
HAVING count(*) = (SELECT count(*) FROM partition_state WHERE topic = $1)
"""

_SINCE = """
SELECT topic, partition, resolution_ms, pattern, label_set, (extract(epoch FROM since) * 1000)::double precision
FROM prepared_group JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
"""

_BY_KEY = planning.local(planning.BY_KEY)


class Partition(NamedTuple):
    """One partition of one topic of points."""

    topic: str
    partition: int


class PreparedSet(NamedTuple):
    """A label set that a partition keeps for the metrics of a pattern."""

    pattern: str
    label_set: str
    since_ms: float
    """Start of the first window that is whole; -inf: all are."""


SetsByTier = Mapping[tuple[Partition, int], Sequence[PreparedSet]]
"""By partition and resolution."""


def since_of(sets: Sequence[PreparedSet], key: GroupKey) -> float:
    """Since when the groups of a key are whole; +inf: they are not kept."""
    found = (
        one.since_ms for one in sets if one.label_set == key.label_set and matches(one.pattern, key.metric)
    )
    return min(found, default=np.inf)


async def since(conn: AnyConnection, partitions: Iterable[Partition]) -> SetsByTier:
    """What these partitions keep."""
    wanted = list(partitions)
    rows = await conn.fetch(_SINCE, [one.topic for one in wanted], [one.partition for one in wanted])
    found: dict[tuple[Partition, int], list[PreparedSet]] = {}
    for topic, partition, resolution_ms, *one in rows:
        found.setdefault((Partition(topic, partition), resolution_ms), []).append(PreparedSet(*one))
    return found


async def whole_since(conn: AnyConnection, topic: str) -> dict[int, list[PreparedSet]]:
    """What all partitions of a topic keep, by resolution: from `since_ms` on their groups add up to the metric."""
    found: dict[int, list[PreparedSet]] = {}
    for resolution_ms, *one in await conn.fetch(_WHOLE_SINCE, topic):
        found.setdefault(resolution_ms, []).append(PreparedSet(*one))
    return found


async def within(
    conn: AnyConnection, resolution_ms: int, key: GroupKey, from_ms: int, to_ms: int
) -> list[PreparedRow]:
    """The rows of a key, of all partitions, in the windows that start in [from_ms, to_ms), by window."""
    statement = _WITHIN.format(table=GROUP_TABLES[resolution_ms])
    return [decoded(row) for row in await conn.fetch(statement, *key, at(from_ms), at(to_ms))]


def records(
    owner: Partition, resolution_ms: int, rows: PreparedRows, version: int = OLD
) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, their columns in the order of `COLUMNS`."""
    batch = WindowBatch(owner.partition, True, 0, 0, rows.series, rows.rollups, resolution_ms)
    starts = map(at, rows.rollups.start_ms[rows.at[:-1]].tolist())
    for start, key, packed in zip(starts, rows.keys, groups.encode_all(batch, rows.at, version), strict=True):
        yield start, *key, *owner, packed


async def add(conn: AnyConnection, resolution_ms: int, new: Sequence[tuple[Any, ...]]) -> None:
    """Write records of which none is there; raises `UniqueViolationError` otherwise."""
    await conn.copy_records_to_table(GROUP_TABLES[resolution_ms], records=new, columns=COLUMNS)


async def replace(conn: AnyConnection, resolution_ms: int, new: Sequence[tuple[Any, ...]]) -> None:
    """Write records, in the place of those that are there."""
    if new:
        statement = _REPLACE.format(table=GROUP_TABLES[resolution_ms])
        await conn.execute(statement, *map(list, zip(*new, strict=True)))


async def read(
    conn: AnyConnection, owner: Partition, resolution_ms: int, keys: Sequence[tuple[int, GroupKey]]
) -> PreparedRows:
    """Those of a partition's rows that are there, of these starts and keys, in any order."""
    starts = [at(start_ms) for start_ms, _ in keys]
    columns = map(list, zip(*(key for _, key in keys), strict=True))
    await conn.execute(_BY_KEY)
    statement = _READ.format(table=GROUP_TABLES[resolution_ms])
    rows = await conn.fetch(statement, starts, *columns, *owner)
    series, rollups = groups.decode_all([row["packed"] for row in rows])
    ends = np.cumsum([0, *map(len, series)])
    return PreparedRows([GroupKey(*row[1:4]) for row in rows], ends, list(chain(*series)), rollups)


def decoded(row: Sequence[Any]) -> PreparedRow:
    """A row whose columns are those of `COLUMNS`, without topic and partition."""
    start, tenant_id, metric, label_set, packed = row
    batch = groups.decode(packed)
    key = GroupKey(tenant_id, metric, label_set)
    return PreparedRow(int(start.timestamp()) * 1000, key, batch.series, batch.rollups)
