"""One partition of points, from a message to windows: the order of the steps. Milliseconds UTC.

Drop repeats, split off late points, fold, move the watermark, close. The law: everything here follows from the
messages in their order, so a replay from any checkpoint comes to the same rows, revisions and watermarks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.aggregator.domain.lateness import late_rows
from services.aggregator.domain.watermark import advance
from services.aggregator.domain.windows import OpenWindows, closed_rows
from shared.model.point import Points
from shared.model.rollup import Rollups, concatenate

FORGET_PRODUCER_MS = 8 * 24 * 3600 * 1000
"""A producer that was silent for longer than the log keeps records, by log time, cannot repeat itself."""

SPARE_SERIES = 10_000
"""Series kept although no open window holds them, before the fold forgets them all."""

_ROW_BYTES = 400


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a message says, besides its points."""

    producer: str
    """Who sent it."""
    seq: int
    """Strictly increasing for each producer and partition."""
    received_at_ms: int
    """When the gateway had the latest of its points."""
    series: Sequence[bytes]
    """Identities of the series that the points' slots mean."""


@dataclass(slots=True, eq=False)
class Work:
    """What a fold has gathered for the tables since its previous checkpoint; slots mean `series`."""

    series: list[bytes]
    """Identities by slot."""
    new_series: list[bytes]
    """Those not handed over before."""
    closed: Rollups | None
    """Windows that closed, revision 0."""
    late: list[Rollups]
    """Late points, one entry a message, in the order of the log."""
    open: Rollups | None
    """The windows that are still open: the state to go on from."""


@dataclass(slots=True, eq=False)
class PartitionFold:
    """The state of one partition."""

    check_series: Callable[[bytes], object]
    """Raises `Rejected` for the identity of a series that could not be stored; asked once a series."""
    watermark_ms: int | None = None
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Producer -> its highest sequence number and when that was received."""
    duplicates: int = 0
    """Messages dropped as repeats."""
    series: list[bytes] = field(default_factory=list)
    _slots: dict[bytes, int] = field(default_factory=dict)
    _windows: OpenWindows = field(default_factory=OpenWindows)
    _new_series: list[bytes] = field(default_factory=list)
    _closed: list[Rollups] = field(default_factory=list)
    _late: list[Rollups] = field(default_factory=list)

    def fold(self, arrival: Arrival, points: Points) -> None:
        """Take in one message; raise `Rejected`, with nothing changed, when a series of it cannot be stored."""
        if arrival.seq <= self.seen.get(arrival.producer, (-1, 0))[0]:
            self.duplicates += 1
            return
        renumbered = self._renumbered(arrival.series, points)
        self.seen[arrival.producer] = (arrival.seq, arrival.received_at_ms)
        latest_ms = int(points.ts_ms.max()) if len(points) else arrival.received_at_ms
        moved_ms = advance(self.watermark_ms, latest_ms, arrival.received_at_ms)
        # The first message has nothing before it, so its own watermark tells what is late.
        before_ms = moved_ms if self.watermark_ms is None else self.watermark_ms
        if len(points):
            self._fold_points(renumbered, before_ms, moved_ms)
        self.watermark_ms = moved_ms
        self._closed += self._windows.close(moved_ms)

    def _renumbered(self, series: Sequence[bytes], points: Points) -> Points:
        known = list(map(self._slots.get, series))
        if None in known:
            for packed in series:
                if packed not in self._slots:
                    self.check_series(packed)
            known = [self._slot(packed) for packed in series]
        slot = np.array(known, np.intp)[points.slot]
        return Points(slot, points.ts_ms, points.value, points.weight)

    def _slot(self, packed: bytes) -> int:
        slot = self._slots.setdefault(packed, len(self.series))
        if slot == len(self.series):
            self.series.append(packed)
            self._new_series.append(packed)
        return slot

    def _fold_points(self, points: Points, before_ms: int, moved_ms: int) -> None:
        late = closed_rows(points.ts_ms, before_ms)
        if late.any():
            self._late.append(late_rows(points.rows(late), moved_ms))
            points = points.rows(~late)
        if len(points):
            self._windows.fold(points, len(self.series))

    @property
    def urgent(self) -> bool:
        """Whether a window has closed, or a series is new, since the previous checkpoint."""
        return bool(self._closed or self._new_series)

    @property
    def waiting_bytes(self) -> int:
        """Roughly what the next checkpoint will free."""
        return _ROW_BYTES * sum(len(part) for part in (*self._closed, *self._late))

    def live(self) -> list[tuple[int, Rollups]]:
        """The open windows that changed since the previous call, with their starts."""
        return [] if self.watermark_ms is None else self._windows.changed(self.watermark_ms)

    def checkpoint(self) -> Work:
        """Hand over what was gathered."""
        work = Work(
            series=self.series,
            new_series=self._new_series,
            closed=concatenate(self._closed) if self._closed else None,
            late=self._late,
            open=self._windows.all(self.watermark_ms or 0),
        )
        self._new_series, self._closed, self._late = [], [], []
        self._forget(work)
        return work

    def _forget(self, work: Work) -> None:
        """Drop series and producers that nothing refers to any more, lest they grow for ever."""
        if self.watermark_ms is not None:
            oldest_ms = self.watermark_ms - FORGET_PRODUCER_MS
            self.seen = {who: at for who, at in self.seen.items() if at[1] >= oldest_ms}
        used = np.unique(work.open.slot) if work.open else np.zeros(0, np.int64)
        if len(self.series) > 2 * len(used) + SPARE_SERIES:
            self.restore(*compact(work.series, work.open) if work.open else ([], None))

    def restore(self, series: Sequence[bytes], rollups: Rollups | None) -> None:
        """Start from these series and open windows."""
        self.series = list(series)
        self._slots = {packed: slot for slot, packed in enumerate(self.series)}
        self._windows = OpenWindows()
        if rollups is not None:
            self._windows.restore(rollups, len(self.series))


def compact(series: Sequence[bytes], rollups: Rollups) -> tuple[list[bytes], Rollups]:
    """Only the series that the rollups use, and the rollups with slots that mean those."""
    used, slot = np.unique(rollups.slot, return_inverse=True)
    compacted = rollups.take(np.arange(len(rollups)))
    compacted.slot = slot
    return [series[i] for i in used.tolist()], compacted
