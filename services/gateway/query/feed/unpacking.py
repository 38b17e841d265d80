"""Rows of a message, unpacked once for all readers and ordered by metric, and the rows of a metric put together.

Times are milliseconds UTC, sizes bytes. Pure, and made for a thread.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count, groupby
from typing import NamedTuple

import numpy as np

from services.gateway.query.feed.readings import Message, heads_of, unpacked
from services.gateway.query.questions.grouped import Part
from services.gateway.query.questions.ports import LivePart, LiveParts
from shared.model.rollup import Ints, Rollups, concatenate
from shared.model.series import Series

_NUMBERS = count()

UNPACKED = 2
"""So many times its bytes a message takes when it is unpacked, about."""


class MetricRows(NamedTuple):
    """Rows of one metric in one message."""

    message: Message
    series: list[bytes]
    """What the slots of the rows mean."""
    rollups: Rollups


class Unpacked:
    """The rows of a message by metric."""

    def __init__(self, message: Message) -> None:
        batch = unpacked(message)
        heads, of_series = heads_of(batch.series)
        place = of_series[batch.rollups.slot]
        order = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[order], np.arange(len(heads) + 1))
        self._message = message
        self._series = batch.series
        self._rollups = batch.rollups
        self._rows = {head: order[ends[i] : ends[i + 1]] for i, head in enumerate(heads)}

    def of(self, head: bytes, from_ms: int, to_ms: int) -> MetricRows | None:
        """The rows of a metric whose windows start in [from, to)."""
        index = self._rows.get(head)
        if index is None:
            return None
        start_ms = self._rollups.start_ms[index]
        rows = self._rollups.take(index[(start_ms >= from_ms) & (start_ms < to_ms)])
        used, slot = np.unique(rows.slot, return_inverse=True)
        return MetricRows(
            self._message, [self._series[i] for i in used.tolist()], replace(rows, slot=slot.astype(np.int64))
        )


class Kept:
    """A message that is kept, unpacked while that is worth its memory."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.number = next(_NUMBERS)
        """Its own in this process."""
        self._unpacked: Unpacked | None = None

    def unpack(self) -> Unpacked:
        """Its rows by metric."""
        found = self._unpacked
        if found is None:
            found = self._unpacked = Unpacked(self.message)
        return found

    def pack(self) -> int:
        """Keep the bytes alone; how many bytes that saves."""
        before = self.bytes()
        self._unpacked = None
        return before - self.bytes()

    def bytes(self) -> int:
        """About how much memory it takes."""
        size = len(self.message.value)
        return size * (1 if self._unpacked is None else 1 + UNPACKED)


def put_together(
    kept: Sequence[Kept], head: bytes, span: tuple[int, int], series_of: Callable[[bytes], Series]
) -> LiveParts:
    """The rows of a metric in messages: of each series and window the one that is furthest on in the log."""
    known = [
        (one.number, rows)
        for one in kept
        if (rows := one.unpack().of(head, *span)) is not None and len(rows.rollups)
    ]
    found = sorted((rows for _, rows in known), key=lambda rows: rows.message.partition)
    parts = LiveParts([], tuple(number for number, _ in known))
    for partition, of_partition in groupby(found, key=lambda rows: rows.message.partition):
        parts += _newest(partition, list(of_partition), series_of)
    return parts


def _newest(
    partition: int, found: list[MetricRows], series_of: Callable[[bytes], Series]
) -> Iterable[LivePart]:
    places: dict[bytes, int] = {}
    columns = []
    for one in found:
        mine = np.array([places.setdefault(packed, len(places)) for packed in one.series], np.int64)
        columns.append(replace(one.rollups, slot=mine[one.rollups.slot]))
    rows = concatenate(columns)
    sizes = [len(one) for one in columns]
    final = np.repeat([one.message.final for one in found], sizes)
    offset = np.repeat([one.message.next_offset for one in found], sizes)
    newest = _last(rows, final, offset)
    owners = [series_of(packed) for packed in places]
    for closed in (True, False):
        index = newest[final[newest] == closed]
        if len(index):
            yield LivePart(partition, Part(owners, rows.take(index)), closed)


def _last(rows: Rollups, final: Ints, offset: Ints) -> Ints:
    """Of each series and window the row with the highest of (closed, revision, offset), ascending by window."""
    order = np.lexsort((offset, rows.revision, final, rows.slot, rows.start_ms))
    slot, start_ms = rows.slot[order], rows.start_ms[order]
    changes = (np.diff(slot) != 0) | (np.diff(start_ms) != 0)
    found: Ints = order[np.concatenate((changes, [True]))]
    return found
