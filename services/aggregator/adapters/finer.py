"""Reads what the open coarse windows of a partition are made from: the stored rows of the finer tier.

Times are milliseconds UTC. The law: read in the transaction that acquires the partition, in the order of windows, so
that sums come out as they were before.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import orjson

from services.aggregator.adapters import readback
from services.aggregator.adapters.postgres import TABLES
from services.aggregator.service import Named, compact
from shared.model.rollup import Ints
from shared.model.series import Series
from shared.model.window import TIERS_MS, start_of
from shared.runtime.postgres import Connection
from shared.wire.series import pack

_FINER = (
    "SELECT "
    + readback.selected("s.partition")
    + """
FROM {table} r JOIN series s USING (series_id)
WHERE s.topic = {topic} AND ({spans}) ORDER BY s.partition, r.window_start, r.series_id
"""
)

_SPAN = "(s.partition = {} AND r.window_start >= to_timestamp({}) AND r.window_start < to_timestamp({}))"

_NAMES = (
    "SELECT series_id, tenant_id, metric, kind, unit, labels FROM series WHERE series_id = ANY($1::bigint[])"
)

Finer: TypeAlias = dict[int, Named]
"""Stored rows by the resolution of the open coarse window that they belong to."""


async def finer(held: Connection, topic: str, watermarks: Mapping[int, int]) -> dict[int, Finer]:
    """For each partition, given with its watermark, the closed finer windows of its open coarse ones."""
    found: dict[int, Finer] = {partition: {} for partition in watermarks}
    for finer_ms, resolution_ms in pairwise(TIERS_MS):
        spans = {
            partition: (start_of(at_ms, resolution_ms), start_of(at_ms, finer_ms))
            for partition, at_ms in watermarks.items()
        }
        for partition, named in (await _read(held, TABLES[finer_ms], topic, spans)).items():
            found[partition][resolution_ms] = named
    return found


async def _read(
    held: Connection, table: str, topic: str, spans: Mapping[int, tuple[int, int]]
) -> dict[int, Named]:
    conditions = [
        _SPAN.format(partition, from_ms // 1000, to_ms // 1000)
        for partition, (from_ms, to_ms) in spans.items()
        if from_ms < to_ms
    ]
    if not conditions:
        return {}
    quoted = await held.fetchval("SELECT quote_literal($1)", topic)
    query = _FINER.format(table=table, topic=quoted, spans=" OR ".join(conditions))
    stored = await readback.read(held, query)
    ids, stored.rollups.slot = np.unique(stored.series_id, return_inverse=True)
    names = await _names(held, ids)
    return {
        partition: compact(names, stored.rollups.take(np.flatnonzero(stored.place == partition)))
        for partition in np.unique(stored.place).tolist()
    }


async def _names(held: Connection, ids: Ints) -> list[bytes]:
    """The packed series with these ids, in their order."""
    packed = {
        found: pack(Series(tenant_id, metric, kind, unit, tuple(sorted(orjson.loads(labels).items()))))
        for found, tenant_id, metric, kind, unit, labels in await held.fetch(_NAMES, ids.tolist())
    }
    return [packed[one] for one in ids.tolist()]
