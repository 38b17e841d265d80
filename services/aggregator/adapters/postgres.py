"""Writes series and rollups inside the pump's transaction.

Rows are absolute values: late points are merged with their stored rows here, for one owner writes a partition. The
law: a row is only ever replaced by one with a higher revision.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.aggregator.adapters import copy
from services.aggregator.domain.cells import NEVER_MS
from services.aggregator.domain.lateness import revise, rows_to_revise
from services.aggregator.service import Work
from shared.model.rollup import Rollups
from shared.runtime.postgres import Connection
from shared.wire.series import series_id, unpack

_SERIES = """
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
    AS new (series_id, tenant_id, metric, kind, unit, labels) ORDER BY series_id
ON CONFLICT DO NOTHING
"""

_STAGE = f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming ({copy.COLUMNS}) ON COMMIT DELETE ROWS"

_MERGE = """
INSERT INTO rollup_10s AS stored (window_start, series_id, revision, late_count, count, sum, min, max, last, last_at,
                                  watermark, sketch_bucket, sketch_weight)
SELECT window_start, series_id, revision, late_count, count, sum, nullif(min, 'Infinity'), nullif(max, '-Infinity'),
       CASE WHEN last_ms > -9223372036854775808 THEN last END,
       CASE WHEN last_ms > -9223372036854775808 THEN to_timestamp(last_ms::double precision / 1000) END,
       watermark, sketch_bucket, sketch_weight
FROM incoming
ON CONFLICT (window_start, series_id) DO UPDATE
SET revision = excluded.revision, late_count = excluded.late_count, count = excluded.count, sum = excluded.sum,
    min = excluded.min, max = excluded.max, last = excluded.last, last_at = excluded.last_at,
    watermark = excluded.watermark, sketch_bucket = excluded.sketch_bucket, sketch_weight = excluded.sketch_weight
WHERE stored.revision < excluded.revision
"""

_STORED = """
SELECT at - 1, (extract(epoch FROM window_start) * 1000)::bigint, revision, late_count, count, sum, min, max, last,
       (extract(epoch FROM last_at) * 1000)::bigint, (extract(epoch FROM watermark) * 1000)::bigint, sketch_bucket,
       sketch_weight
FROM unnest($1::timestamptz[], $2::bigint[]) WITH ORDINALITY AS wanted (window_start, series_id, at)
JOIN rollup_10s USING (window_start, series_id) ORDER BY at
"""

UPKEEP = ("SELECT ensure_partitions('rollup_10s', interval '6 hours', interval '1 day', interval '10 days')",)
"""Keeps partitions ahead of time and drops those past retention."""


class RollupTables:
    """The tables `series` and `rollup_10s`."""

    async def save(self, held: Connection, works: Sequence[Work]) -> None:
        """Write what the works hold: closed windows first, then the rows that late points revise."""
        await _save_series(held, [packed for work in works for packed in work.new_series])
        await held.execute(_STAGE)
        for work in works:
            if work.closed is not None:
                await _copy(held, work.series, work.closed)
        await held.execute(_MERGE)
        for work in works:
            if work.late:
                await _save_late(held, work)


async def _save_series(held: Connection, packed: Sequence[bytes]) -> None:
    if not packed:
        return
    known = {series_id(p): unpack(p) for p in packed}
    await held.execute(
        _SERIES,
        list(known),
        [s.tenant_id for s in known.values()],
        [s.metric for s in known.values()],
        [s.kind for s in known.values()],
        [s.unit for s in known.values()],
        [orjson.dumps(dict(s.labels)).decode() for s in known.values()],
    )


async def _save_late(held: Connection, work: Work) -> None:
    revised = revise(await _stored(held, work), work.late)
    await held.execute("DELETE FROM incoming")
    await _copy(held, work.series, revised)
    await held.execute(_MERGE)


async def _stored(held: Connection, work: Work) -> Rollups | None:
    """The rows that late points change, those closed by this very transaction included."""
    start_ms, slot = rows_to_revise(work.late)
    rows = await held.fetch(_STORED, _instants(start_ms), _ids(work.series, slot))
    return _rollups([tuple(row) for row in rows], slot) if rows else None


async def _copy(held: Connection, series: Sequence[bytes], rows: Rollups) -> None:
    stream = copy.stream(rows, np.array(_ids(series, rows.slot), np.int64))
    await held.copy_to_table("incoming", source=BytesIO(stream), format="binary")


def _rollups(rows: Sequence[tuple[Any, ...]], slot: NDArray[np.int64]) -> Rollups:
    """Stored rows as columns; the first column of each is its place in `slot`."""
    columns = zip(*rows, strict=True)
    at, start, revision, late, count, total, low, high, last, last_ms, watermark, bucket, weight = columns
    return Rollups(
        slot=slot[np.array(at)],
        start_ms=np.array(start, np.int64),
        count=np.array(count, np.float64),
        sum=np.array(total, np.float64),
        min=np.array([np.inf if x is None else x for x in low]),
        max=np.array([-np.inf if x is None else x for x in high]),
        last=np.array([0.0 if x is None else x for x in last]),
        last_ms=np.array([NEVER_MS if x is None else x for x in last_ms], np.int64),
        revision=np.array(revision, np.int64),
        late_count=np.array(late, np.int64),
        watermark_ms=np.array(watermark, np.int64),
        sketch_at=np.concatenate(([0], np.cumsum([len(b) for b in bucket]))),
        bucket=np.array(list(chain.from_iterable(bucket)), np.int16),
        weight=np.array(list(chain.from_iterable(weight)), np.float64),
    )


def _ids(series: Sequence[bytes], slot: NDArray[np.int64]) -> list[int]:
    distinct, at = np.unique(slot, return_inverse=True)
    ids = np.array([series_id(series[i]) for i in distinct.tolist()], np.int64)
    return list(ids[at].tolist())


def _instants(times_ms: NDArray[np.int64]) -> list[datetime]:
    distinct, at = np.unique(times_ms, return_inverse=True)
    instants = [datetime.fromtimestamp(ms / 1000, UTC) for ms in distinct.tolist()]
    return [instants[i] for i in at.tolist()]
