"""Reads prepared groups: packed rows that hold all groups of a window, partition, metric and label set.

Times are milliseconds UTC. They answer a selection that names no label but those of the set, over windows since when
every partition keeps it. A set of an owner that has lost its partition says nothing. Where the rows of all partitions
of a window stand merged as they are now, that one row is read in their place.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np

from services.gateway.query.questions.grouped import NOTHING, Group, Grouped, by_window, group_in, with_slots
from services.gateway.query.questions.ports import Standing
from services.gateway.query.questions.selection import Selection, is_answered_by
from shared.errors import Rejected, Unavailable
from shared.model.rollup import Rollups, concatenate
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.prepared.label_sets import matches, set_of
from shared.prepared.merged import READ as READ_MERGED
from shared.prepared.merged import TIER_MS as MERGED_TIER_MS
from shared.prepared.tables import GROUP_TABLES
from shared.wire.series import unpack
from shared.wire.stored import groups

SETS = """
SELECT p.partition, p.pattern, p.label_set, (extract(epoch FROM p.since) * 1000)::double precision AS since_ms
FROM prepared_group p JOIN partition_state s USING (topic, partition)
WHERE p.topic = $1 AND p.resolution_ms = $2 AND p.epoch = s.epoch
"""
"""What the owners of partitions keep now."""

PACKED = """
SELECT window_start, packed FROM {table}
WHERE tenant_id = $1 AND metric = $2 AND label_set = $3 AND window_start >= $4 AND window_start < $5 AND topic = $6
    AND window_start <> ALL($7::timestamptz[])
ORDER BY window_start, partition
"""
"""The groups of a range, without those of some windows."""


PackedRow: TypeAlias = tuple[datetime, bytes]
"""The start of a window, and groups of it in a partition."""

TOGETHER_BYTES = 1 << 20
"""Packed bytes that are unpacked and merged at a time."""


class Span(NamedTuple):
    """Windows of a tier that start in [from, to)."""

    tier_ms: int
    from_ms: int
    to_ms: int


async def packed(
    conn: Connection, selection: Selection, span: Span, of: tuple[str, Mapping[int, Standing]]
) -> Sequence[PackedRow] | None:
    """The packed rows that answer a selection; None: no label set does. `of` is the topic and its partitions."""
    if selection.by is None:
        return None
    topic, partitions = of
    rows = await conn.fetch(SETS, topic, span.tier_ms)
    label_set = chosen(selection, span, [tuple(row) for row in rows], partitions)
    if label_set is None:
        return None
    asked = selection.tenant_id, selection.metric, label_set, at(span.from_ms), at(span.to_ms), topic
    merged = await conn.fetch(READ_MERGED, *asked) if span.tier_ms == MERGED_TIER_MS else []
    parts = await conn.fetch(
        PACKED.format(table=GROUP_TABLES[span.tier_ms]), *asked, [start for start, _ in merged]
    )
    return sorted(map(tuple, (*merged, *parts)), key=itemgetter(0))


def chosen(
    selection: Selection,
    span: Span,
    kept: Sequence[tuple[int, str, str, float]],
    partitions: Mapping[int, Standing],
) -> str | None:
    """The smallest label set that answers and that all partitions keep since the range begins; None: there is none.

    `kept` are partition, pattern, label set, and since when.
    """
    since: dict[str, dict[int, float]] = {}
    for partition, pattern, label_set, since_ms in kept:
        if matches(pattern, selection.metric) and is_answered_by(selection, set_of(label_set)):
            known = since.setdefault(label_set, {})
            known[partition] = min(since_ms, known.get(partition, since_ms))
    whole = [
        label_set
        for label_set, known in since.items()
        if all(known.get(partition, np.inf) <= span.from_ms for partition in partitions)
    ]
    return min(whole, key=lambda one: (len(set_of(one)), one), default=None)


def put_together(selection: Selection, packed: Sequence[PackedRow], tier_ms: int) -> Grouped:
    """The groups of a selection, of packed rows ascending by window.

    Some windows at a time, which fit into the cache of a core: a day of fifty routes is 12 million buckets.
    """
    found_groups: dict[Group, int] = {}
    places: dict[bytes, int] = {}
    found = [NOTHING]
    for values in _some_windows(packed):
        series, rows = _decoded(values)
        for names in series:
            for name in names:
                if name not in places:
                    places[name] = group_in(selection, unpack(name), found_groups)
        # Each value has a row for each of its groups, in their order.
        slot = np.array([places[name] for names in series for name in names], np.int64)
        if len(slot) != len(rows):
            raise Unavailable("postgres", "prepared groups: there is not one row for each group")
        found.append(by_window(with_slots(rows, slot), tier_ms))
    return Grouped(tier_ms, list(found_groups), concatenate(found))


def _some_windows(packed: Sequence[PackedRow]) -> Iterator[list[bytes]]:
    """The values of whole windows, about `TOGETHER_BYTES` at a time."""
    values, size = list[bytes](), 0
    for _, of_window in groupby(packed, key=lambda row: row[0]):
        added = [value for _, value in of_window]
        values += added
        size += sum(map(len, added))
        if size >= TOGETHER_BYTES:
            yield values
            values, size = [], 0
    if values:
        yield values


def _decoded(values: Sequence[bytes]) -> tuple[list[list[bytes]], Rollups]:
    try:
        return groups.decode_all(values)
    except Rejected as error:
        raise Unavailable("postgres", f"prepared groups cannot be read: {error}") from error
