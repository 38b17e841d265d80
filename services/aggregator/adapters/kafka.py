"""Publishes windows of all tiers, ticks and dead letters to Kafka.

Times are milliseconds UTC. Windows go to the partition they came from, so that each series keeps one order. A window
that is published twice has the same content; a revised row has its revision. Invariant: a tick follows all windows that
end at or before its watermark.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from services.aggregator.domain.work import RollupWork, with_used_series
from services.aggregator.ports import LiveWindow
from shared.model.rollup import Rollups
from shared.model.window import TIERS_MS
from shared.runtime.kafka import Message, Sender
from shared.stream import dead_letters
from shared.stream.processor import Cut
from shared.wire import rollups
from shared.wire.topics import WINDOWS
from shared.wire.versions import OLD

PART_BYTES = 400_000
"""Size at which a message of windows is full; even with the largest possible row it is below the topic's limit."""

_ROW_BYTES = 96
_SKETCH_BYTES = 10
_DISTINCT_BYTES = 3


class WindowTopic:
    """Sends to the topics of windows and of dead letters."""

    def __init__(self, sender: Sender, prefix: str = "", version: int = OLD) -> None:
        self._sender = sender
        self._version = version
        self._prefix = prefix
        self._windows = prefix + WINDOWS.name

    async def publish(self, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Publish closed and revised rows, ticks and dead letters of these cuts. Raises `Unavailable`."""
        windows = [message for cut in cuts for message in self._final(cut)]
        await self._sender.send([*windows, *dead_letters.messages(cuts, self._prefix, self._version)])

    async def show(self, windows: Sequence[LiveWindow]) -> None:
        """Publish open windows in their present state. Raises `Unavailable`."""
        await self._sender.send([message for window in windows for message in self._live(window)])

    def _final(self, cut: Cut[RollupWork]) -> Iterator[Message]:
        work, watermark_ms = cut.checkpoint.work, cut.checkpoint.watermark_ms
        if watermark_ms is None:
            return
        for resolution_ms in TIERS_MS:
            closed = [work.closed[resolution_ms]] if resolution_ms in work.closed else []
            for rows in (*closed, *work.revised.get(resolution_ms, ())):
                for part in _parts(work.series, rows):
                    series, named = with_used_series(work.series, part)
                    yield self._message(
                        rollups.WindowBatch(
                            cut.key.partition, True, cut.end, watermark_ms, series, named, resolution_ms
                        )
                    )
        yield self._message(rollups.tick(cut.key.partition, cut.end, watermark_ms))

    def _live(self, window: LiveWindow) -> Iterator[Message]:
        for part in _parts(window.series, window.rollups):
            series, rows = with_used_series(window.series, part)
            yield self._message(
                rollups.WindowBatch(
                    window.partition, False, window.next_offset, window.watermark_ms, series, rows
                )
            )

    def _message(self, windows: rollups.WindowBatch) -> Message:
        return Message(self._windows, windows.partition, rollups.encode(windows, self._version))


def _parts(series: Sequence[bytes], rows: Rollups) -> Iterator[Rollups]:
    """The rows in as few messages as their sizes allow: their columns, their sketches and the names of their series."""
    names = np.array([len(series[slot]) for slot in rows.slot.tolist()], np.int64)
    sizes = np.cumsum(
        names
        + _ROW_BYTES
        + _SKETCH_BYTES * np.diff(rows.sketch_at)
        + _DISTINCT_BYTES * np.diff(rows.distinct_at)
    )
    starts = np.flatnonzero(np.diff(sizes // PART_BYTES, prepend=-1))
    for begin, end in pairwise([*starts.tolist(), len(rows)]):
        yield rows.take(np.arange(begin, end))
