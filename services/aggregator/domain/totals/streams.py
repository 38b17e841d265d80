"""Streams of running totals, their starts, and the sequences that near starts make up. Milliseconds UTC.

A stream is what has one stream id of a cumulative series, or of one bucket of a histogram, named by the middle of the
bucket. The totals of a stream that count since one instant share a start. A sequence is named by one of its starts, its
head, where its columns stand. The numbers of streams and starts follow from the log alone.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.numbering import Numbering
from services.aggregator.domain.totals.owners import Owners, ids_of, start_keys, stream_keys
from services.aggregator.domain.totals.rules import (
    ALWAYS_MS,
    NEVER_MS,
    WAVER_MS,
    Before,
    Ordered,
    counts_whole,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns: TypeAlias = dict[str, NDArray[Any]]

_OF_STREAM = {
    "slot": 0,
    "histogram": False,
    "middle": 0.0,
    "stream_id": np.uint64(0),
    "begun_ms": ALWAYS_MS,
    "exact": False,
}
_OF_START = {"stream": 0, "start_ms": 0, "sequence": 0}
_OF_SEQUENCE = {"whole": False, "first_ms": ALWAYS_MS, "contested_ms": NEVER_MS}
_NEWEST = {
    "newest_ms": NEVER_MS,
    "newest_start_ms": -1,
    "newest": np.nan,
    "suspect": False,
    "disputed": False,
}
_STARTS = _OF_START | _OF_SEQUENCE | _NEWEST
_BEGIN = ("whole", "first_ms")


class Streams:
    """Growable columns by stream, by start, and by sequence at the place of its head."""

    __slots__ = (
        *_OF_STREAM, *_STARTS, "identified_ms", "joined", "_ids", "_middles", "_most", "_starts", "_streams",
    )  # fmt: skip

    slot: Ints
    histogram: Mask
    middle: Floats
    stream_id: NDArray[np.uint64]
    begun_ms: Ints
    """Event time of the first total; later starts count in full. At least the latest start that was forgotten."""
    exact: Mask
    """Whether starts that are near to each other are those of several writers."""
    stream: Ints
    start_ms: Ints
    sequence: Ints
    """The head of the sequence that the start belongs to."""
    whole: Mask
    """Whether the first total counts in full."""
    first_ms: Ints
    """Event time of the first total."""
    contested_ms: Ints
    """Up to when totals count nothing, by what is not remembered any more."""
    newest_ms: Ints
    """Event time of the newest total."""
    newest_start_ms: Ints
    """Its start."""
    newest: Floats
    """The newest total."""
    suspect: Mask
    """Whether several writers may have sent what is remembered: each total is judged with all others."""
    disputed: Mask
    """Whether they did, and no start tells them apart."""
    joined: bool
    """Whether any sequence has several starts."""
    identified_ms: int
    """Event time up to which the totals of streams with an id may have counted without it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.identified_ms = NEVER_MS
        self.joined = False
        for name, empty in (_OF_STREAM | _STARTS).items():
            setattr(self, name, np.full(0, empty))
        self._number()

    def __len__(self) -> int:
        return len(self._starts)

    def _number(self) -> None:
        """Number the columns as they stand."""
        self._middles, self._ids, self._streams, self._starts = (Numbering() for _ in range(4))
        # No id is number 0.
        self._ids.of(np.zeros(1, np.int64))
        middle, number = self._middles.of(self.middle.view(np.int64)), self._ids.of(ids_of(self.stream_id))
        self._streams.of(stream_keys(self.slot, self.histogram, middle, number))
        self._starts.of(start_keys(self.stream, self.start_ms))
        self.joined = bool((self.sequence != np.arange(len(self.sequence))).any())

    def of(self, owners: Owners, ts_ms: Ints) -> tuple[Ints, Mapping[int, int]]:
        """The start of each row, -1 where no more are remembered; and the old sequence of starts that change it."""
        start = self._find(owners)
        unknown = np.flatnonzero(start < 0)
        new = unknown[: max(0, self._most - len(self))]
        if not len(new):
            return start, {}
        start[new], moved = self._begin(owners.rows(new), ts_ms[new])
        if len(new) < len(unknown):
            start[unknown] = self._find(owners.rows(unknown))
        return start, moved

    def _find(self, owners: Owners) -> Ints:
        middle = self._middles.find(owners.middle.view(np.int64))
        number = 0 if owners.stream_id is None else self._ids.find(ids_of(owners.stream_id))
        stream = self._streams.find(stream_keys(owners.slot, owners.histogram, middle, number))
        return self._starts.find(start_keys(stream, owners.start_ms))

    def _begin(self, new: Owners, ts_ms: Ints) -> tuple[Ints, Mapping[int, int]]:
        """The starts of these rows, which are new; and the old sequence of older starts that have another now."""
        middle = self._middles.of(new.middle.view(np.int64))
        number = 0 if new.stream_id is None else self._ids.of(ids_of(new.stream_id))
        stream = self._streams.of(stream_keys(new.slot, new.histogram, middle, number))
        self._grow(_OF_STREAM, len(self._streams))
        if new.stream_id is not None:
            self.stream_id[stream] = new.stream_id
        self.slot[stream], self.histogram[stream], self.middle[stream] = new.slot, new.histogram, new.middle
        np.minimum.at(self.begun_ms, stream, ts_ms)
        known = len(self)
        start = self._starts.of(start_keys(stream, new.start_ms))
        self._grow(_STARTS, len(self))
        self.stream[start], self.start_ms[start], self.sequence[start] = stream, new.start_ms, start
        joinable = np.unique(start[(new.start_ms > 0) & ~self.exact[stream]])
        return start, self._join(joinable, known)

    def _join(self, new: Ints, known: int) -> Mapping[int, int]:
        """Put new starts into the sequences of near ones; the old sequence of starts below `known` that change it."""
        moved: dict[int, int] = {}
        members: dict[int, list[int]] = {}
        at, near = self._starts.near(start_keys(self.stream[new], self.start_ms[new]), WAVER_MS)
        for one, other in zip(new[at].tolist(), near.tolist(), strict=True):
            # The head that came first stays.
            head, gone = sorted((int(self.sequence[one]), int(self.sequence[other])))
            if head == gone or not self.start_ms[other]:
                continue
            of_gone = (
                members.pop(gone, [gone]) if gone >= known else self.starts_of(np.array([gone])).tolist()
            )
            moved |= {start: gone for start in of_gone if start < known}
            if head >= known:
                members.setdefault(head, [head]).extend(of_gone)
            self.sequence[of_gone] = head
            self.joined = True
        return moved

    def part(self, sequences: Ints) -> Ints:
        """Give each start of these sequences a sequence of its own, for several writers send them; the starts."""
        starts = self.starts_of(sequences)
        self.exact[self.stream[starts]] = True
        self.sequence[starts] = starts
        for name, empty in (_OF_SEQUENCE | _NEWEST).items():
            getattr(self, name)[starts] = empty
        return starts

    def starts_of(self, sequences: Ints) -> Ints:
        """The starts of these sequences, ascending."""
        return np.flatnonzero(np.isin(self.sequence[: len(self)], sequences)) if self.joined else sequences

    def ordered(self, totals: Totals, sequence: Ints | None = None) -> tuple[Ints, Ordered]:
        """These totals by sequence, event time and start: their places in it, and the sequence."""
        start, ts_ms = totals.start, totals.ts_ms
        sequence = self.sequence[start] if sequence is None else sequence
        since_ms = self.start_ms[start]
        if not self.joined:
            return np.arange(len(sequence)), Ordered(sequence, ts_ms, since_ms, totals.total)
        order = np.lexsort((since_ms, ts_ms, sequence))
        return order, Ordered(sequence[order], ts_ms[order], since_ms[order], totals.total[order])

    def newest_of(self, sequence: Ints) -> Before:
        """The newest totals of sequences."""
        return Before(self.newest_ms[sequence], self.newest_start_ms[sequence], self.newest[sequence])

    def begin(self, first: Ordered, floor_ms: int = NEVER_MS) -> None:
        """Take these for the first totals of their sequences; those before the floor have counted what they count."""
        stream = self.stream[first.sequence]
        self.first_ms[first.sequence] = first.ts_ms
        whole = counts_whole(first.start_ms, first.ts_ms, self.begun_ms[stream])
        if self.identified_ms > NEVER_MS:
            whole &= (first.start_ms > self.identified_ms) | (self.stream_id[stream] == 0)
        self.whole[first.sequence] = whole & (first.ts_ms >= floor_ms)

    def end(self, last: Ordered) -> None:
        """Take these for the newest totals of their sequences."""
        self.newest_ms[last.sequence], self.newest_start_ms[last.sequence] = last.ts_ms, last.start_ms
        self.newest[last.sequence] = last.total

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
        heads, head, sequence = np.unique(self.sequence[kept], return_index=True, return_inverse=True)
        for name in _OF_SEQUENCE | _NEWEST:
            getattr(self, name)[kept[head]] = getattr(self, name)[heads]
        streams, stream = np.unique(self.stream[kept], return_inverse=True)
        self._take(_OF_STREAM, streams)
        self._take(_STARTS, kept)
        self.stream, self.sequence = stream.astype(np.int64, copy=False), head[sequence]
        self._number()
        return np.cumsum(alive) - 1

    def _take(self, columns: dict[str, Any], index: Ints) -> None:
        for name in columns:
            setattr(self, name, getattr(self, name)[index])

    def renumber(self, slots: Ints) -> None:
        """Series are renumbered: `slots[i]`, ascending, becomes i."""
        self._take(_OF_STREAM, np.arange(len(self._streams)))
        self._take(_STARTS, np.arange(len(self)))
        self.slot = np.searchsorted(slots, self.slot)
        self._number()

    def columns(self) -> tuple[Columns, Columns]:
        """Copies of the columns of streams, and of those of starts but for the newest totals."""
        sizes = (_OF_STREAM, len(self._streams)), (_OF_START | _OF_SEQUENCE, len(self))
        of_stream, of_start = (
            {name: getattr(self, name)[:size].copy() for name in names} for names, size in sizes
        )
        return of_stream, of_start | {name: of_start[name][of_start["sequence"]] for name in _OF_SEQUENCE}

    def restore(self, of_stream: Columns, of_start: Columns) -> None:
        """Go on from these columns; the newest totals are to be given by `end`."""
        size = len(of_start["start_ms"])
        empty = {name: np.full(size, value) for name, value in _NEWEST.items()}
        for name, column in (of_stream | of_start | empty).items():
            setattr(self, name, column)
        self._number()

    def identify(self, identified_ms: int | None) -> None:
        """Totals up to this event time may have counted without their stream id; None: all that is remembered."""
        newest_ms = int(self.newest_ms.max(initial=NEVER_MS))
        self.identified_ms = newest_ms if identified_ms is None else identified_ms
