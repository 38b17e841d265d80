"""Streams of running totals, and their starts, as in OpenTelemetry's data model. Milliseconds UTC.

A stream is a cumulative series, or one bucket of a histogram, named by the middle of the bucket. The totals of a stream
that count since one instant share a start. The start that a stream begins with is not whole: its first total counts
nothing, for nobody saw what it had counted before. The numbers of streams and starts follow from the log alone.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.totals.history import TIME_BITS, Totals
from services.aggregator.domain.totals.numbering import Numbering

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns: TypeAlias = dict[str, NDArray[Any]]

NEVER_MS, ALWAYS_MS = np.iinfo(np.int64).min, np.iinfo(np.int64).max

_MIDDLE_BITS = 38
"""Of the key of a stream, beside those of a slot: 0 without buckets, else one more than the number of the middle."""

_OF_STREAM = {"slot": 0, "histogram": False, "middle": 0.0, "begun_ms": ALWAYS_MS}
_OF_START = {"stream": 0, "start_ms": 0, "whole": False, "first_ms": ALWAYS_MS}
_NEWEST = {"newest_ms": NEVER_MS, "newest": np.nan}


class Owners(NamedTuple):
    """The streams and starts that totals belong to."""

    slot: NDArray[np.integer]
    histogram: Mask
    """Whether they are a bucket's."""
    middle: Floats
    """Middle of the bucket; 0 without."""
    start_ms: Ints
    """Since when they count; 0 where unknown."""

    def rows(self, index: Mask | Ints) -> "Owners":
        """These rows."""
        return Owners(self.slot[index], self.histogram[index], self.middle[index], self.start_ms[index])


class Streams:
    """Growable columns: slot, histogram, middle and begun_ms by stream, the others by start."""

    __slots__ = (*_OF_STREAM, *_OF_START, *_NEWEST, "_streams", "_middles", "_most", "_starts")

    slot: Ints
    histogram: Mask
    middle: Floats
    begun_ms: Ints
    """Since when the start counts that is not whole."""
    stream: Ints
    start_ms: Ints
    whole: Mask
    """Whether the first total counts in full."""
    first_ms: Ints
    """Event time of the first total."""
    newest_ms: Ints
    """Event time of the newest total."""
    newest: Floats
    """The newest total."""

    def __init__(self, most: int) -> None:
        self._most = most
        for name, empty in (_OF_STREAM | _OF_START | _NEWEST).items():
            setattr(self, name, np.full(0, empty))
        self._number()

    def __len__(self) -> int:
        return len(self._starts)

    def _number(self) -> None:
        """Number the columns as they stand."""
        self._middles, self._streams, self._starts = Numbering(), Numbering(), Numbering()
        middle = self._middles.of(self.middle.view(np.int64))
        self._streams.of(_stream_keys(self.slot, self.histogram, middle))
        self._starts.of(_start_keys(self.stream, self.start_ms))

    def of(self, owners: Owners, horizon_ms: int) -> tuple[Ints, Ints]:
        """The start of each row, -1 where no more are remembered; and the starts that have become whole by this."""
        start = self._find(owners)
        unknown = np.flatnonzero(start < 0)
        new = unknown[: max(0, self._most - len(self))]
        if not len(new):
            return start, new
        start[new], completed = self._begin(owners.rows(new), horizon_ms)
        if len(new) < len(unknown):
            start[unknown] = self._find(owners.rows(unknown))
        return start, completed

    def _find(self, owners: Owners) -> Ints:
        middle = self._middles.find(owners.middle.view(np.int64))
        stream = self._streams.find(_stream_keys(owners.slot, owners.histogram, middle))
        return self._starts.find(_start_keys(stream, owners.start_ms))

    def _begin(self, new: Owners, horizon_ms: int) -> tuple[Ints, Ints]:
        """The starts of these rows, which are new; and the starts that have become whole by this."""
        streams = len(self._streams)
        middle = self._middles.of(new.middle.view(np.int64))
        stream = self._streams.of(_stream_keys(new.slot, new.histogram, middle))
        self._grow(_OF_STREAM, len(self._streams))
        self.slot[stream], self.histogram[stream], self.middle[stream] = new.slot, new.histogram, new.middle
        known = np.unique(stream[stream < streams])
        before_ms = self.begun_ms[known]
        first = self._starts.find(_start_keys(known, before_ms))
        # What the first total of a stream has counted stays so once it is out of reach.
        movable = (first >= 0) & (self.first_ms.take(first, mode="clip") >= horizon_ms)
        moves = (stream >= streams) | np.isin(stream, known[movable])
        np.minimum.at(self.begun_ms, stream[moves], new.start_ms[moves])
        start = self._starts.of(_start_keys(stream, new.start_ms))
        self._grow(_OF_START | _NEWEST, len(self))
        self.stream[start], self.start_ms[start] = stream, new.start_ms
        self.whole[start] = new.start_ms > self.begun_ms[stream]
        completed = np.sort(first[movable & (self.begun_ms[known] < before_ms)])
        self.whole[completed] = True
        return start, completed

    def _grow(self, columns: dict[str, Any], size: int) -> None:
        have = len(getattr(self, next(iter(columns))))
        if size > have:
            more = max(size, 2 * have, 64) - have
            for name, empty in columns.items():
                setattr(self, name, np.concatenate((getattr(self, name), np.full(more, empty))))

    def owners(self, start: Ints) -> Owners:
        """Whose these starts are."""
        stream = self.stream[start]
        return Owners(self.slot[stream], self.histogram[stream], self.middle[stream], self.start_ms[start])

    def slots(self) -> Ints:
        """The series of all streams, ascending."""
        return np.unique(self.slot[: len(self._streams)])

    def keep(self, alive: Mask) -> Ints:
        """Forget all other starts; the number that each of these has now.

        A forgotten start that goes on counts nothing at first, like the first of its stream.
        """
        gone, kept = np.flatnonzero(~alive), np.flatnonzero(alive)
        np.maximum.at(self.begun_ms, self.stream[gone], self.start_ms[gone])
        streams, stream = np.unique(self.stream[kept], return_inverse=True)
        self._take(_OF_STREAM, streams)
        self._take(_OF_START | _NEWEST, kept)
        self.stream = stream.astype(np.int64, copy=False)
        self._number()
        return np.cumsum(alive) - 1

    def _take(self, columns: dict[str, Any], index: Ints) -> None:
        for name in columns:
            setattr(self, name, getattr(self, name)[index])

    def renumber(self, slots: Ints) -> None:
        """Series are renumbered: `slots[i]`, ascending, becomes i."""
        self._take(_OF_STREAM, np.arange(len(self._streams)))
        self._take(_OF_START | _NEWEST, np.arange(len(self)))
        self.slot = np.searchsorted(slots, self.slot)
        self._number()

    def columns(self) -> tuple[Columns, Columns]:
        """Copies of the columns of streams, and of those of starts but for the newest totals."""
        sizes = (_OF_STREAM, len(self._streams)), (_OF_START, len(self))
        of_stream, of_start = (
            {name: getattr(self, name)[:size].copy() for name in names} for names, size in sizes
        )
        return of_stream, of_start

    def restore(self, of_stream: Columns, of_start: Columns, newest: Totals) -> None:
        """Go on from these columns and the newest total of each start."""
        columns = of_stream | of_start | {"newest_ms": newest.ts_ms, "newest": newest.total}
        for name, column in columns.items():
            setattr(self, name, column)
        self._number()


def _stream_keys(slot: NDArray[np.integer], histogram: Mask, middle: Ints) -> Ints:
    """The key of each stream; where the middle has no number, one that no stream has."""
    return slot.astype(np.int64) << _MIDDLE_BITS | (middle + 1) * histogram


def _start_keys(stream: Ints, start_ms: Ints) -> Ints:
    """The key of each start; where the stream has no number, one that no start has."""
    return stream << TIME_BITS | start_ms
