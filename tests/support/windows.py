"""Messages of the topic of windows, as an aggregator sends them: live frames, closed rows, ticks.

Times are milliseconds UTC.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.model.series import Series
from shared.model.window import BASE_MS
from shared.wire import rollups
from shared.wire.series import pack
from shared.wire.versions import NEW
from tests.support.rows import rows_of


def owner(host: str, metric: str = "cpu", tenant_id: int = 1) -> Series:
    """A series of a metric."""
    return Series(tenant_id, metric, "gauge", "", (("host", host),))


def batch(
    rows: Mapping[tuple[Series, int], Sequence[float]],
    next_offset: int,
    *,
    final: bool = False,
    partition: int = 0,
    tier_ms: int = BASE_MS,
    revision: int = 0,
) -> rollups.WindowBatch:
    """Windows by series and start, of these values."""
    series = list(dict.fromkeys(one for one, _ in rows))
    made = rows_of([(series.index(one), start, values) for (one, start), values in rows.items()])
    made.revision = np.full(len(made), revision)
    packed = [pack(one) for one in series]
    return rollups.WindowBatch(partition, final, next_offset, 0, packed, made, tier_ms)


def message(
    rows: Mapping[tuple[Series, int], Sequence[float]],
    next_offset: int,
    *,
    final: bool = False,
    partition: int = 0,
    tier_ms: int = BASE_MS,
    revision: int = 0,
) -> bytes:
    """The same as bytes."""
    made = batch(rows, next_offset, final=final, partition=partition, tier_ms=tier_ms, revision=revision)
    return rollups.encode(made, NEW)


def tick(next_offset: int, watermark_ms: int, partition: int = 0) -> bytes:
    """All windows that end at or before the watermark have been published."""
    return rollups.encode(rollups.tick(partition, next_offset, watermark_ms), NEW)
