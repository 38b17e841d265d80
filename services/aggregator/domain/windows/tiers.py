"""The open windows of a partition in every tier: finer ones close into coarser ones. Milliseconds UTC.

A coarse window is stored whole when finer ones have closed into it. Between two such times only the rows are stored
that late points amended after their finer windows had closed. Invariant: finer windows close in the order of their
starts, and stored windows are restored bit by bit, so a coarse sum does not depend on restarts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.lateness import NO_WINDOWS, WindowKeys, late_rows, windows_of
from services.aggregator.domain.windows.open_windows import (
    OpenWindows,
    closed_rows,
    is_closed,
    kept,
    rollups_of,
)
from shared.model.rollup import Ints, Rollups
from shared.model.window import BASE_MS, TIERS_MS, start_of

WRITTEN_MS = 6 * 3600 * 1000
"""How far behind the watermark rows of the finest tier are kept up; the others outlast all lateness."""

Tiered: TypeAlias = tuple[int, Rollups]
"""Rows with the resolution of their tier."""

Parts: TypeAlias = Mapping[int, Rollups]
"""Rows by the resolution of their tier."""


class CoarseWindow:
    """The open window of a coarse tier: there is at most one, and the watermark lies in it."""

    def __init__(self, resolution_ms: int) -> None:
        self.resolution_ms = resolution_ms
        self._empty()

    def _empty(self) -> None:
        self.start_ms: int | None = None
        self.cells = Cells(0)
        self._grown = False
        self._amended = np.zeros(0, np.bool_)

    def take(self, finer: Sequence[Rollups], watermark_ms: int, series: int) -> list[Rollups]:
        """Merge finer windows that have closed, oldest first; the windows of this tier that close by it."""
        closed = []
        for rows in finer:
            if self.start_ms not in {None, start_of(int(rows.start_ms[0]), self.resolution_ms)}:
                closed.append(self._close(watermark_ms))
            self._merge(rows, series)
            self._grown = True
        if self.start_ms is not None and is_closed(self.start_ms, watermark_ms, self.resolution_ms):
            closed.append(self._close(watermark_ms))
        return closed

    def _close(self, watermark_ms: int) -> Rollups:
        closed = rollups_of(self.start_ms or 0, self.cells, watermark_ms)
        self._empty()
        return closed

    def _merge(self, rows: Rollups, series: int) -> None:
        self.start_ms = start_of(int(rows.start_ms[0]), self.resolution_ms)
        self.cells.grow(series)
        self.cells.merge(rows.slot, rows)

    def amend(self, rows: Rollups, series: int) -> None:
        """Add late rows, whose finer windows have closed."""
        self._merge(rows, series)
        more = len(self.cells.count) - len(self._amended)
        self._amended = np.concatenate((self._amended, np.zeros(more, np.bool_)))
        self._amended[rows.slot] = True

    def checkpoint(self, watermark_ms: int) -> tuple[Rollups | None, Rollups | None]:
        """The whole window, if finer ones have closed into it since the previous call; else what was amended since."""
        if self.start_ms is None:
            return None, None
        if self._grown:
            self._grown, self._amended = False, np.zeros(0, np.bool_)
            return rollups_of(self.start_ms, self.cells, watermark_ms), None
        amended = np.flatnonzero(self._amended)
        rows = rollups_of(self.start_ms, self.cells, watermark_ms, amended) if len(amended) else None
        return None, rows

    def restore(self, whole: Rollups | None, amended: Rollups | None, series: int) -> None:
        """Open the window again as it was kept, with the rows amended since in place of the older ones."""
        if whole is not None and amended is not None:
            whole = whole.take(np.flatnonzero(~np.isin(whole.slot, amended.slot)))
        if whole is not None and len(whole):
            self._merge(whole, series)
        if amended is not None:
            self.amend(amended, series)

    def keep(self, slots: Ints) -> None:
        """Renumber the cells: slot `slots[i]` becomes i."""
        amended = np.flatnonzero(self._amended)
        self.cells, self._amended = kept(self.cells, slots), np.zeros(len(slots), np.bool_)
        self._amended[np.searchsorted(slots, amended)] = True


class Tiers:
    """The open windows of every tier."""

    def __init__(self) -> None:
        self.open = OpenWindows()
        self.coarse = tuple(CoarseWindow(resolution_ms) for resolution_ms in TIERS_MS[1:])
        self._missed: list[WindowKeys] = []

    def late(self, late: Entries, before_ms: int, moved_ms: int, series: int) -> Iterator[Tiered]:
        """The late rows of each tier; where a coarser window is still open, it takes the points, and that is all."""
        for tier, resolution_ms in enumerate(TIERS_MS):
            closed = closed_rows(late.ts_ms, before_ms, resolution_ms)
            if tier and not closed.all():
                self.coarse[tier - 1].amend(late_rows(late.rows(~closed), moved_ms, resolution_ms), series)
                late = late.rows(closed)
            written = is_written(late.ts_ms, moved_ms, resolution_ms)
            if written.any():
                yield resolution_ms, late_rows(late.rows(written), moved_ms, resolution_ms)
            if not written.all():
                self._missed.append(windows_of(late.rows(~written)))

    def take_missed(self) -> WindowKeys:
        """The windows of the finest tier that late points have missed since the previous call; some twice."""
        missed, self._missed = [NO_WINDOWS, *self._missed], []
        return WindowKeys(*map(np.concatenate, zip(*missed, strict=True)))

    def close(self, watermark_ms: int, series: int) -> Iterator[Tiered]:
        """Take out the windows whose end the watermark has passed, by tier, oldest first."""
        closed = self.open.close(watermark_ms)
        for rows in closed:
            if is_written(rows.start_ms[:1], watermark_ms, BASE_MS).any():
                yield BASE_MS, rows
        for coarse in self.coarse:
            closed = coarse.take(closed, watermark_ms, series)
            yield from ((coarse.resolution_ms, rows) for rows in closed)

    def checkpoint(self, watermark_ms: int) -> tuple[Parts, Parts]:
        """By resolution: the coarse windows to be kept whole, and the amended rows of others."""
        whole: dict[int, Rollups] = {}
        amended: dict[int, Rollups] = {}
        for coarse in self.coarse:
            for parts, rows in zip((whole, amended), coarse.checkpoint(watermark_ms), strict=True):
                if rows is not None:
                    parts[coarse.resolution_ms] = rows
        return whole, amended

    def restore(self, opened: Rollups | None, whole: Parts, amended: Parts, series: int) -> None:
        """Open the windows of a checkpoint again."""
        if opened is not None:
            self.open.restore(opened, series)
        for coarse in self.coarse:
            coarse.restore(whole.get(coarse.resolution_ms), amended.get(coarse.resolution_ms), series)

    def slots(self) -> Ints:
        """The slots of the series that any open window holds, ascending."""
        windows = (*self.open.cells(), *(coarse.cells for coarse in self.coarse))
        return np.unique(np.concatenate([np.flatnonzero(cells.touched) for cells in windows]))

    def keep(self, slots: Ints) -> None:
        """Renumber all cells: slot `slots[i]`, ascending, becomes i; what others held is empty."""
        self.open.keep(slots)
        for coarse in self.coarse:
            coarse.keep(slots)


def is_written(ts_ms: Ints, watermark_ms: int, resolution_ms: int) -> NDArray[np.bool_]:
    """Which instants have a row of this tier: the finest forgets what is older than six hours. Shape of `ts_ms`."""
    if resolution_ms != BASE_MS:
        return np.ones(len(ts_ms), np.bool_)
    return ts_ms >= start_of(watermark_ms - WRITTEN_MS, BASE_MS)
