"""Reads rows of a selection from files of the archive. Needs pyarrow, and blocks: call it in a thread.

Times are milliseconds UTC. Files are in the order of metrics, so that of each only the row groups of the metric are
read.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.gateway.query.questions.grouped import Part
from services.gateway.query.questions.selection import Selection
from shared.files.store import Store, guard
from shared.model.rollup import NEVER_MS, Floats, Ints, Rollups
from shared.model.series import Series
from shared.postgres.instants import at
from shared.wire.stored import distinct


def parts(store: Store, names: Iterable[str], selection: Selection, from_ms: int, to_ms: int) -> list[Part]:
    """The rows of windows that start in [from, to), a part for each file. Raises `Unavailable`."""
    wanted = (pc.field("metric") == selection.metric) & (pc.field("window_start") >= at(from_ms))
    wanted &= pc.field("window_start") < at(to_ms)
    for name, value in (("kind", selection.kind), ("unit", selection.unit)):
        if value is not None:
            wanted &= pc.field(name) == value
    found = []
    for name in names:
        with guard():
            table = pq.read_table(store.path(name), filesystem=store.files, filters=wanted, partitioning=None)
        found.append(part_of(table, selection))
    return found


def part_of(table: Any, selection: Selection) -> Part:
    """The rows of a table of windows whose series are asked for."""
    ids, first, slot = np.unique(table.column("series_id").to_numpy(), return_index=True, return_inverse=True)
    owners = [
        _series(row, selection.tenant_id)
        for row in table.select(_OF_SERIES).take(pa.array(first)).to_pylist()
    ]
    asked = np.array([selection.matches(owner.labels) for owner in owners], np.bool_)
    if len(ids) and not asked.all():
        rows = np.flatnonzero(asked[slot])
        table, slot = table.take(pa.array(rows)), slot[rows]
    return Part(owners, _rollups(table.combine_chunks(), slot.astype(np.int64)))


_OF_SERIES = ["metric", "kind", "unit", "labels"]


def _series(row: dict[str, Any], tenant_id: int) -> Series:
    return Series(tenant_id, row["metric"], row["kind"], row["unit"], tuple(sorted(row["labels"])))


def _rollups(table: Any, slot: Ints) -> Rollups:
    """Columns of the file as those of rollups; a null is what it is in memory, as in `rollup_rows`."""
    sketch_at, (bucket, weight) = _spans(table, "bucket", "weight")
    packed = [
        distinct.decode(value) if value else None for value in table.column("distinct_sketch").to_pylist()
    ]
    sizes = [0 if one is None else len(one[0]) for one in packed]
    counted = [one for one in packed if one is not None]
    return Rollups(
        slot=slot,
        start_ms=_ms(table, "window_start"),
        count=_floats(table, "count"),
        samples=_floats(table, "samples", np.nan),
        sum=_floats(table, "sum"),
        min=_floats(table, "min", np.inf),
        max=_floats(table, "max", -np.inf),
        last=_floats(table, "last", 0.0),
        last_ms=_ms(table, "last_at"),
        estimated=table.column("estimated").to_numpy().astype(np.bool_),
        revision=table.column("revision").to_numpy(),
        late_count=table.column("late_count").to_numpy(),
        watermark_ms=_ms(table, "watermark"),
        sketch_at=sketch_at,
        bucket=bucket.astype(np.int16),
        weight=weight.astype(np.float64),
        distinct_at=np.concatenate(([0], np.cumsum(np.array(sizes, np.int64)))),
        register=np.concatenate((np.zeros(0, np.uint16), *(one[0] for one in counted))),
        rank=np.concatenate((np.zeros(0, np.uint8), *(one[1] for one in counted))),
    )


def _floats(table: Any, name: str, null: float = np.nan) -> Floats:
    return np.asarray(pc.fill_null(table.column(name).cast(pa.float64()), null).to_numpy())


def _ms(table: Any, name: str) -> Ints:
    """Instants in milliseconds, `NEVER_MS` for a null."""
    us = table.column(name).cast(pa.int64())
    found = np.asarray(pc.fill_null(us, 0).to_numpy()) // 1000
    return np.where(pc.is_null(us).to_numpy(), NEVER_MS, found)


def _spans(table: Any, *names: str) -> tuple[Ints, list[Any]]:
    """Where the lists of each row begin, and the items of these columns."""
    sizes = pc.list_value_length(table.column(names[0])).to_numpy().astype(np.int64)
    items = [pc.list_flatten(table.column(name)).to_numpy() for name in names]
    return np.concatenate(([0], np.cumsum(sizes))), items
