"""The feed as its readers see it: live windows by metric, and what has changed in the tables.

Times are milliseconds UTC. Rows are unpacked in a thread, once for all readers, one reader at a time; the event loop
only looks things up.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from services.gateway.query.feed.readings import Arrival, Block, Unreadable, read
from services.gateway.query.feed.state import FeedState
from services.gateway.query.feed.unpacking import put_together
from services.gateway.query.questions.ports import LiveParts
from services.gateway.query.questions.source import BLOCKS_MS
from shared.model.series import Series
from shared.runtime.clock import now_ms
from shared.wire import series

MAX_SERIES = 50_000
"""Unpacked series that are remembered."""


def _nobody() -> None:
    """Nobody waits."""


class Feed:
    """Live windows and changes, as of what was read; `windows_topic.follow` reads."""

    def __init__(self, state: FeedState, clock: Callable[[], int] = now_ms) -> None:
        self.state = state
        self._clock = clock
        self._unpacking = asyncio.Lock()
        self._series: dict[bytes, Series] = {}
        self.arrived: Callable[[], None] = _nobody
        """Told that records have come."""

    async def take(self, arrivals: Sequence[Arrival]) -> list[str]:
        """Take records in their order; why some could not be read."""
        messages = await asyncio.to_thread(read, arrivals)
        self.state.take(messages)
        self.arrived()
        return [one.reason for one in messages if isinstance(one, Unreadable)]

    @property
    def reason(self) -> str | None:
        """Why live windows cannot be shown; None: they can."""
        return self.state.why_not_live(self._clock())

    @property
    def available(self) -> bool:
        """Whether live windows can be shown."""
        return self.reason is None

    @property
    def covered_since(self) -> Mapping[int, int]:
        """By partition: of what was appended since this time, all was read."""
        return self.state.covered_since

    async def live(
        self, tenant_id: int, metric: str, from_ms: int, to_ms: int, as_of: Mapping[int, int] | None = None
    ) -> LiveParts:
        """Windows of 10 s that start in [from, to) and that may not be in the tables yet. Raises `Unavailable`.

        `as_of`: where the partitions stood when the tables were read; None: they are read after this.
        """
        kept = self.state.kept(from_ms, to_ms, self._clock(), as_of)
        if not kept:
            return LiveParts([])
        wanted = partial(
            put_together, kept, series.head(tenant_id, metric), (from_ms, to_ms), self._series_of
        )
        async with self._unpacking:
            return await asyncio.to_thread(wanted)

    def _series_of(self, packed: bytes) -> Series:
        found = self._series.get(packed)
        if found is None:
            if len(self._series) >= MAX_SERIES:
                self._series.clear()
            found = self._series[packed] = series.unpack(packed)
        return found

    def is_current(self) -> bool:
        """Whether all changes are known that were published more than a second ago."""
        return self.state.is_current(self._clock())

    def log_ms(self) -> int:
        """The latest time at which a record was appended that was read."""
        return self.state.log_ms()

    def covers(self, log_ms: int) -> bool:
        """Whether all is known that was committed after the log stood at this time."""
        return self.state.covers(log_ms)

    def touched(self, tenant_id: int, metric: str, tier_ms: int, start_ms: int) -> Mapping[int, int]:
        """By partition, the highest offset at which rows of the block with this window have changed."""
        begin_ms = start_ms - start_ms % BLOCKS_MS[tier_ms]
        return self.state.changed(Block(series.head(tenant_id, metric), tier_ms, begin_ms))

    def ended(self) -> Mapping[int, int]:
        """By partition, the highest offset up to which all rows have been read."""
        return self.state.ended()

    def watermark_ms(self) -> int:
        """Windows that end at or before this have been published as closed by all partitions that say anything."""
        return self.state.watermark_ms()
