"""The open windows of one partition, keyed by their start. Milliseconds UTC, half-open.

Cell i of a window is series i of the partition. Invariant: a window is closed once, with revision 0, when the watermark
passes its end, and holds every point that came before.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from shared.model import sketch
from shared.model.rollup import Ints, Rollups, concatenate
from shared.model.window import BASE_MS, start_of, starts_of


def is_closed(start_ms: int, watermark_ms: int, resolution_ms: int = BASE_MS) -> bool:
    """Whether the watermark has passed the window's end."""
    return start_ms + resolution_ms <= watermark_ms


def closed_rows(
    ts_ms: NDArray[np.int64], watermark_ms: int, resolution_ms: int = BASE_MS
) -> NDArray[np.bool_]:
    """Which points are late, because their window has closed. Shape of `ts_ms`."""
    return ts_ms < start_of(watermark_ms, resolution_ms)


class OpenWindows:
    """All windows of a partition that still take points."""

    def __init__(self) -> None:
        self._windows: dict[int, Cells] = {}
        self._changed: set[int] = set()

    def fold(self, points: Entries, series: int) -> None:
        """Add points, whose slots are below `series`, to their windows."""
        starts = starts_of(points.ts_ms)
        first, last = int(starts.min()), int(starts.max())
        if first == last:
            self._fold_one(first, points, series)
            return
        for start in np.unique(starts).tolist():
            self._fold_one(start, points.rows(starts == start), series)

    def _fold_one(self, start_ms: int, points: Entries, series: int) -> None:
        window = self._windows.get(start_ms)
        if window is None:
            window = self._windows[start_ms] = Cells(series)
        window.grow(series)
        window.fold(points.slot, points)
        self._changed.add(start_ms)

    def close(self, watermark_ms: int) -> list[Rollups]:
        """Take out the windows whose end the watermark has passed, oldest first."""
        starts = sorted(start for start in self._windows if is_closed(start, watermark_ms))
        closed = [rollups_of(start, self._windows.pop(start), watermark_ms) for start in starts]
        self._changed.difference_update(starts)
        return closed

    def changed(self, watermark_ms: int) -> list[tuple[int, Rollups]]:
        """Absolute values of the open windows that changed since the previous call, with their starts."""
        starts, self._changed = sorted(self._changed), set()
        return [(start, rollups_of(start, self._windows[start], watermark_ms)) for start in starts]

    def all(self, watermark_ms: int) -> Rollups | None:
        """Every open window; None when there is none."""
        parts = [rollups_of(start, cells, watermark_ms) for start, cells in sorted(self._windows.items())]
        return concatenate(parts) if parts else None

    def restore(self, rollups: Rollups, series: int) -> None:
        """Open the windows of a snapshot again."""
        for start in np.unique(rollups.start_ms).tolist():
            self._windows[start] = cells_of(rollups.take(np.flatnonzero(rollups.start_ms == start)), series)
            self._changed.add(start)

    def cells(self) -> list[Cells]:
        """The cells of every open window."""
        return list(self._windows.values())

    def keep(self, slots: Ints) -> None:
        """Renumber the cells: slot `slots[i]` becomes i."""
        self._windows = {start: kept(cells, slots) for start, cells in self._windows.items()}


def rollups_of(start_ms: int, cells: Cells, watermark_ms: int, slot: Ints | None = None) -> Rollups:
    """The cells at `slot`, else all that hold a point, as rollups of one window with revision 0."""
    slot = np.flatnonzero(cells.touched) if slot is None else slot
    zeros = np.zeros(len(slot), np.int64)
    standing = Standing(slot, zeros + start_ms, zeros, zeros, zeros + watermark_ms)
    return rows_of(cells, slot, standing)


class Standing(NamedTuple):
    """The identities of rows, and how complete they are."""

    slot: Ints
    start_ms: Ints
    revision: Ints
    late_count: Ints
    watermark_ms: Ints


def rows_of(cells: Cells, index: Ints, standing: Standing) -> Rollups:
    """The cells at `index`, which is ascending, as rollups; row i stands as entry i of `standing` says."""
    sketches, distincts = cells.sketches.rows(index), cells.distincts.rows(index)
    estimated, low, high = cells.estimated[index], cells.min[index], cells.max[index]
    if estimated.any():
        lowest, highest = sketch.extremes(*sketches)
        low, high = np.where(estimated, lowest, low), np.where(estimated, highest, high)
    return Rollups(
        **standing._asdict(),
        count=cells.count[index],
        samples=cells.samples[index],
        sum=cells.sum[index],
        min=low,
        max=high,
        last=cells.last[index],
        last_ms=cells.last_ms[index],
        estimated=estimated,
        sketch_at=sketches.at,
        bucket=sketches.bucket,
        weight=sketches.weight,
        distinct_at=distincts.at,
        register=distincts.register,
        rank=distincts.rank,
    )


def cells_of(rollups: Rollups, series: int) -> Cells:
    """Cells that go on from these rollups, each of another slot."""
    cells = Cells(series)
    order = np.argsort(rollups.slot, kind="stable")
    cells.merge(rollups.slot[order], rollups.take(order))
    return cells


def kept(cells: Cells, slots: Ints) -> Cells:
    """The cells of these slots, renumbered: slot `slots[i]`, ascending, becomes i."""
    touched = slots[slots < len(cells.touched)]
    rows = rollups_of(0, cells, 0, touched[cells.touched[touched]])
    return cells_of(replace(rows, slot=np.searchsorted(slots, rows.slot)), len(slots))
