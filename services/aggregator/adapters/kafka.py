"""Publishes windows and dead letters to Kafka.

Times are milliseconds UTC. The law: windows go to the partition they came from, so each series keeps one order; what is
published twice has the same content, and is told apart by nothing but its place.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from services.aggregator.ports import LiveWindow
from services.aggregator.service import Work, compact
from shared.model.rollup import Rollups
from shared.runtime.kafka import Message, Sender
from shared.stream.processor import Cut
from shared.wire import rollups
from shared.wire.topics import DEADLETTER, WINDOWS

PART_BYTES = 400_000
"""Size at which a message of windows is full; with the largest possible row on top it stays below the topic's limit."""

_ROW_BYTES = 96
_SKETCH_BYTES = 10


class WindowTopic:
    """Sends to the topics of windows and of dead letters."""

    def __init__(self, sender: Sender, prefix: str = "") -> None:
        self._sender = sender
        self._windows = prefix + WINDOWS.name
        self._deadletter = prefix + DEADLETTER.name

    async def publish(self, cuts: Sequence[Cut[Work]]) -> None:
        """Closed windows and dead letters of these cuts. Raises `Unavailable`."""
        messages = [message for cut in cuts for message in (*self._closed(cut), *self._dead(cut))]
        if messages:
            await self._sender.send(messages)

    async def show(self, windows: Sequence[LiveWindow]) -> None:
        """Open windows as they stand. Raises `Unavailable`."""
        await self._sender.send([message for window in windows for message in self._live(window)])

    def _closed(self, cut: Cut[Work]) -> Iterator[Message]:
        work, watermark_ms = cut.checkpoint.work, cut.checkpoint.watermark_ms
        if work.closed is None or watermark_ms is None:
            return
        for part in _parts(work.series, work.closed):
            series, rows = compact(work.series, part)
            yield self._message(rollups.Windows(cut.key.partition, True, cut.end, watermark_ms, series, rows))

    def _live(self, window: LiveWindow) -> Iterator[Message]:
        for part in _parts(window.series, window.rollups):
            series, rows = compact(window.series, part)
            yield self._message(
                rollups.Windows(
                    window.partition, False, window.next_offset, window.watermark_ms, series, rows
                )
            )

    def _message(self, windows: rollups.Windows) -> Message:
        return Message(self._windows, windows.partition, rollups.encode(windows))

    def _dead(self, cut: Cut[Work]) -> Iterator[Message]:
        for dead in cut.dead:
            fields = {
                "v": 1,
                "topic": cut.key.topic,
                "partition": cut.key.partition,
                "offset": dead.offset,
                "code": dead.code,
                "reason": dead.reason,
                "value": dead.value,
            }
            yield Message(self._deadletter, cut.key.partition, msgspec.msgpack.encode(fields))


def _parts(series: Sequence[bytes], rows: Rollups) -> Iterator[Rollups]:
    """The rows in as few messages as their sizes allow: their columns, their sketches and the names of their series."""
    names = np.array([len(series[slot]) for slot in rows.slot.tolist()], np.int64)
    sizes = np.cumsum(names + _ROW_BYTES + _SKETCH_BYTES * np.diff(rows.sketch_at))
    starts = np.flatnonzero(np.diff(sizes // PART_BYTES, prepend=-1))
    for begin, end in pairwise([*starts.tolist(), len(rows)]):
        yield rows.take(np.arange(begin, end))
