"""Fills the port for live windows from Redis: one value for each partition and window, see `shared.wire.stored.live`.

Times are milliseconds UTC, spans seconds. What cannot be read is not guessed: an absent or frozen Redis is
`Unavailable` within two seconds, and so is a number of partitions that nobody has told yet.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np

from services.gateway.query.windows.windows import Query, WindowRow
from shared.errors import Rejected, Unavailable
from shared.model import sketch
from shared.model.rollup import Rollups, sketches_of
from shared.model.series import Series
from shared.runtime.redis import Client, guard
from shared.wire import series
from shared.wire.stored import live

DEADLINE_S = 2.0
"""Outer bound on one question, connection included."""

MAX_SERIES = 50_000
"""Unpacked series remembered at once."""


class RedisLive:
    """Live windows, as the aggregator last wrote them."""

    def __init__(self, client: Client, partitions: Callable[[], int], prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._partitions = partitions
        self._series: dict[bytes, Series] = {}

    async def live(self, query: Query, now_ms: int) -> Sequence[WindowRow]:
        """All live rows of the query. Raises `Unavailable`, and `UnknownVersion` for a window of another build."""
        starts = query.live_starts(now_ms)
        if not starts:
            return []
        partitions = range(self._partitions())
        keys = [
            live.key(self._prefix, partition, start_ms) for start_ms in starts for partition in partitions
        ]
        try:
            with guard():
                async with asyncio.timeout(DEADLINE_S):
                    values = await self._client.mget(keys)
        except TimeoutError as error:
            raise Unavailable("redis", "no answer in time") from error
        try:
            return [row for value in values if isinstance(value, bytes) for row in self._rows(value, query)]
        except Rejected as error:
            raise Unavailable("redis", f"a live window cannot be read: {error}") from error

    def _rows(self, value: bytes, query: Query) -> list[WindowRow]:
        windows = live.decode(value)
        known = [self._unpacked(packed) for packed in windows.series]
        asked = np.array([query.matches(one) for one in known], np.bool_)
        rows = np.flatnonzero(asked[windows.rollups.slot])
        quantiles = sketch.quantile_tuples(sketches_of(windows.rollups, rows), query.quantiles)
        return [
            _window(windows.rollups, row, known[windows.rollups.slot[row]], found)
            for row, found in zip(rows.tolist(), quantiles, strict=True)
        ]

    def _unpacked(self, packed: bytes) -> Series:
        found = self._series.get(packed)
        if found is None:
            if len(self._series) >= MAX_SERIES:
                self._series.clear()
            found = self._series[packed] = series.unpack(packed)
        return found


def _window(rolled: Rollups, row: int, owner: Series, quantiles: tuple[float | None, ...]) -> WindowRow:
    return WindowRow(
        series=owner,
        start_ms=int(rolled.start_ms[row]),
        count=float(rolled.count[row]),
        sum=float(rolled.sum[row]),
        min=_finite(float(rolled.min[row])),
        max=_finite(float(rolled.max[row])),
        last=_finite(float(rolled.last[row])),
        last_ms=int(rolled.last_ms[row]),
        quantiles=quantiles,
        revision=int(rolled.revision[row]),
        late_count=int(rolled.late_count[row]),
        watermark_ms=int(rolled.watermark_ms[row]),
        final=False,
        estimated=bool(rolled.estimated[row]),
        samples=None if np.isnan(rolled.samples[row]) else int(rolled.samples[row]),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
