"""Rollups in Postgres: every column arrives, late points revise, extremes may be missing."""

from random import SystemRandom
from typing import Any

import numpy as np
import pytest

from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.service import Arrival, PartitionFold
from shared.model import sketch
from shared.model.point import Points
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from shared.stream.processor import Key
from shared.wire.series import checked, kind_of, pack, series_id, tenant_of


@pytest.fixture
def tenant_id() -> int:
    """A tenant that no other test knows."""
    return SystemRandom().randrange(1 << 40)


class Log:
    """A fold with a table behind it, fed with messages of one series."""

    def __init__(self, pool: connections.Pool, tenant_id: int) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._fold = PartitionFold(checked, tenant_of, kind_of, SeriesNames(series_id))
        self._series = pack(Series(tenant_id, "m", "gauge", "ms", (("host", "a'); --"),)))
        self._seq = 0
        self.start_ms = now_ms() // 10_000 * 10_000

    def feed(self, at_ms: int, *rows: tuple[int, float], weight: list[float] | None = None) -> None:
        """A message received `at_ms` after the start, with points of (milliseconds after the start, value)."""
        self._seq += 1
        ts, value = zip(*rows, strict=True) if rows else ((), ())
        points = Points(
            np.zeros(len(rows), np.uint16),
            np.array(ts, np.int64) + (self.start_ms if rows else 0),
            np.array(value, np.float64),
            None if weight is None else np.array(weight),
        )
        self._fold.fold(
            Arrival("g", self._seq, self.start_ms + at_ms, [self._series] if rows else []), points
        )

    async def save(self) -> None:
        """Write what has been gathered."""
        async with connections.connection(self._pool) as conn, conn.transaction():
            await RollupTables().save(conn, {Key("points", 0): self._fold.checkpoint()})

    async def row(self) -> dict[str, Any]:
        """The only row of the tenant."""
        async with connections.connection(self._pool) as conn:
            rows = await conn.fetch(
                "SELECT r.*, s.metric, s.labels::text, (extract(epoch FROM window_start) * 1000)::bigint AS start_ms, "
                "(extract(epoch FROM last_at) * 1000)::bigint AS last_ms, "
                "(extract(epoch FROM watermark) * 1000)::bigint AS watermark_ms "
                "FROM rollup_10s r JOIN series s USING (series_id) WHERE tenant_id = $1",
                self._tenant_id,
            )
        (row,) = rows
        return dict(row)


async def test_closed_window_arrives_with_every_figure(pool: connections.Pool, tenant_id: int) -> None:
    """Times, extremes, last value and sketch are in the row as they were in the fold."""
    log = Log(pool, tenant_id)
    log.feed(5_000, (4_123, 8.0), (3_000, -2.0), (100, 0.0))
    log.feed(12_345)
    await log.save()
    row = await log.row()

    assert (3.0, 6.0, -2.0, 8.0, 8.0) == tuple(row[name] for name in ("count", "sum", "min", "max", "last"))
    assert (log.start_ms, log.start_ms + 4_123, log.start_ms + 10_345) == (
        row["start_ms"],
        row["last_ms"],
        row["watermark_ms"],
    )
    assert (0, 0, "m", '{"host": "a\'); --"}') == (
        row["revision"],
        row["late_count"],
        row["metric"],
        row["labels"],
    )
    assert sketch.buckets_of(np.array([-2.0, 0.0, 8.0])).tolist() == row["sketch_bucket"]
    assert [1.0, 1.0, 1.0] == row["sketch_weight"]


@pytest.mark.parametrize("between", [False, True], ids=["in one commit", "in two"])
async def test_late_points_revise_the_row(pool: connections.Pool, tenant_id: int, between: bool) -> None:
    """Two late messages raise the revision twice, and it does not matter whether a commit came in between."""
    log = Log(pool, tenant_id)
    log.feed(5_000, (1_000, 1.0))
    log.feed(12_000)
    await log.save()
    log.feed(13_000, (500, 0.1), (2_000, 0.2))
    if between:
        await log.save()
    log.feed(14_000, (3_000, 0.3))
    await log.save()
    row = await log.row()

    assert (2, 3, 4.0) == (row["revision"], row["late_count"], row["count"])
    assert ((1.0 + (0.1 + 0.2)) + 0.3, 0.1, 1.0, 0.3) == (row["sum"], row["min"], row["max"], row["last"])
    assert [1.0] * 4 == row["sketch_weight"]


async def test_a_row_closed_once_more_changes_nothing(pool: connections.Pool, tenant_id: int) -> None:
    """As when offsets were set back: what was revised since stays as it is."""
    log, again = Log(pool, tenant_id), Log(pool, tenant_id)
    again.start_ms = log.start_ms
    for each in (log, again):
        each.feed(5_000, (1_000, 1.0))
        each.feed(12_000)
    await log.save()
    log.feed(13_000, (500, 2.0))
    await log.save()
    before = await log.row()

    await again.save()

    assert (1, 2.0) == (before["revision"], before["count"])
    assert before == await log.row()


async def test_row_of_retractions_has_no_extremes(pool: connections.Pool, tenant_id: int) -> None:
    """What no point has set is null, and a late point sets it, extremes as bounds."""
    log = Log(pool, tenant_id)
    log.feed(5_000, (1_000, 9.0), weight=[-1.0])
    log.feed(12_000)
    await log.save()
    empty = await log.row()
    log.feed(13_000, (2_000, 4.0))
    await log.save()
    row = await log.row()

    assert [None] * 4 == [empty[name] for name in ("min", "max", "last", "last_at")]
    assert (4.0, log.start_ms + 2_000, True) == tuple(
        row[name] for name in ("last", "last_ms", "extremes_estimated")
    )
    assert 4.0 * 0.98 < row["min"] <= 4.0 <= row["max"] < 4.0 * 1.02
