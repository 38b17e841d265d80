"""Fills the port for live windows from Redis: hashes by metric and window, see `shared.wire.stored.live`.

Times are milliseconds UTC, spans seconds. What cannot be read is not guessed: an absent or frozen Redis is
`Unavailable` within two seconds, and so is a number of partitions that nobody has told yet. While some aggregators
write version 4, the keys with the rows of all metrics are read too.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from services.gateway.query.questions.grouped import Part
from services.gateway.query.questions.ports import LivePart
from services.gateway.query.resources.windows.windows import Query
from shared.errors import Rejected, Unavailable
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.runtime.redis import Client, guard
from shared.wire import series
from shared.wire.rollups import WindowBatch
from shared.wire.stored import live

DEADLINE_S = 2.0
"""Outer bound on one question, connection included."""

MAX_SERIES = 50_000
"""Unpacked series remembered at once."""


class RedisLive:
    """Live windows, as the aggregator last wrote them."""

    def __init__(
        self,
        client: Client,
        partitions: Callable[[], int],
        prefix: str = "",
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._partitions = partitions
        self._clock = clock
        self._series: dict[bytes, Series] = {}

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> Sequence[LivePart]:
        """Windows of a metric that start in [from, to). Raises `Unavailable`, and `UnknownVersion`."""
        query = Query(tenant_id, metric, (), from_ms, to_ms, (), 1)
        starts = query.live_starts(self._clock())
        try:
            values = await self._values(query, starts) if starts else []
            return list(self._parts(query, [live.decode(value) for value in values]))
        except Rejected as error:
            raise Unavailable("redis", f"a live window cannot be read: {error}") from error

    async def _values(self, query: Query, starts: range) -> list[bytes]:
        partitions = range(self._partitions())
        of_all = [live.key_of_all(self._prefix, part, start_ms) for start_ms in starts for part in partitions]
        try:
            with guard():
                async with (
                    asyncio.timeout(DEADLINE_S),
                    self._client.pipeline(transaction=False) as pipe,
                ):
                    for start_ms in starts:
                        pipe.hvals(live.key(self._prefix, query.tenant_id, query.metric, start_ms))
                    pipe.mget(of_all)
                    *hashes, keys = await pipe.execute()
        except TimeoutError as error:
            raise Unavailable("redis", "no answer in time") from error
        return [value for each in (*hashes, keys) for value in each if isinstance(value, bytes)]

    def _parts(self, query: Query, batches: Sequence[WindowBatch]) -> Iterator[LivePart]:
        """Of each window of a partition what is furthest on in the log, whichever version it was written in."""
        newest: dict[tuple[int, int], LivePart] = {}
        offsets: dict[tuple[int, int], int] = {}
        for windows in batches:
            owners = [self._unpacked(packed) for packed in windows.series]
            asked = np.array([query.matches(one) for one in owners], np.bool_)
            rows = windows.rollups.take(np.flatnonzero(asked[windows.rollups.slot]))
            if not len(rows):
                continue
            place = (windows.partition, int(rows.start_ms[0]))
            if windows.next_offset >= offsets.get(place, windows.next_offset):
                offsets[place] = windows.next_offset
                newest[place] = LivePart(windows.partition, Part(owners, rows))
        yield from newest.values()

    def _unpacked(self, packed: bytes) -> Series:
        found = self._series.get(packed)
        if found is None:
            if len(self._series) >= MAX_SERIES:
                self._series.clear()
            found = self._series[packed] = series.unpack(packed)
        return found
