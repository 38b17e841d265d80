"""Rows put into the windows of each instant: sums, extremes and last values, (groups, windows).

Times are milliseconds UTC. Windows may overlap: then values are put into cells that all windows are made of, and each
window is the end of one block of cells and the beginning of the next (van Herk, 1992): a sum has as many terms as its
window has cells, and none is taken away again.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.gateway.query.prometheus.errors import execution
from shared.model.rollup import Floats, Ints

MAX_CELLS = 4_000_000
"""Most values that are held of one figure: groups times windows."""

Fold = np.ufunc


@dataclass(frozen=True, eq=False)
class Grid:
    """Windows [begin, end), ascending, and the cells that they are made of."""

    begin_ms: Ints
    end_ms: Ints
    is_of_days: bool = False
    """Whether windows of one day begin together."""

    @cached_property
    def are_apart(self) -> bool:
        """Whether no two windows overlap."""
        return bool((self.begin_ms[1:] >= self.end_ms[:-1]).all())

    @cached_property
    def cell_ms(self) -> int:
        """Length of a cell."""
        edges = np.concatenate([np.diff(self.end_ms), self.end_ms - self.begin_ms])
        return int(np.gcd.reduce(edges))

    def cells_of(self, start_ms: Ints) -> Ints:
        """The cell of each row, -1 where no window has it."""
        if self.are_apart or self.is_of_days:
            cell = np.searchsorted(self.end_ms, start_ms, side="right")
            inside = np.minimum(cell, len(self.end_ms) - 1)
            return np.where((cell == inside) & (start_ms >= self.begin_ms[inside]), cell, -1)
        cell = (start_ms - self.begin_ms[0]) // self.cell_ms
        return np.where((cell >= 0) & (cell < self.cells), cell, -1)

    @cached_property
    def cells(self) -> int:
        """How many cells there are."""
        if self.are_apart or self.is_of_days:
            return len(self.end_ms)
        return int((self.end_ms[-1] - self.begin_ms[0]) // self.cell_ms)

    def windows(self, cells: Floats, fold: Fold) -> Floats:
        """From (groups, cells) to (groups, windows); `fold` is `np.add`, `np.minimum` or `np.maximum`."""
        if self.is_of_days and not self.are_apart:
            return self._of_days(cells, fold)
        if self.are_apart:
            return cells
        first = (self.begin_ms - self.begin_ms[0]) // self.cell_ms
        return _sliding(cells, fold, int((self.end_ms[0] - self.begin_ms[0]) // self.cell_ms))[:, first]

    def _of_days(self, cells: Floats, fold: Fold) -> Floats:
        found = np.empty_like(cells)
        bounds = [*np.flatnonzero(np.diff(self.begin_ms, prepend=self.begin_ms[0] - 1)), len(self.begin_ms)]
        for since, until in pairwise(bounds):
            found[:, since:until] = fold.accumulate(cells[:, since:until], axis=1)
        return found


def _sliding(cells: Floats, fold: Fold, length: int) -> Floats:
    """The fold of each `length` neighbouring cells, by where they begin."""
    groups, count = cells.shape
    blocks = -(-count // length)
    padded = np.full((groups, blocks * length), _NEUTRAL[fold])
    padded[:, :count] = cells
    shaped = padded.reshape(groups, blocks, length)
    begun = fold.accumulate(shaped, axis=2).reshape(padded.shape)
    ended = fold.accumulate(shaped[:, :, ::-1], axis=2)[:, :, ::-1].reshape(padded.shape)
    starts = np.arange(count - length + 1)
    whole = starts % length == 0
    found = fold(ended[:, starts], begun[:, starts + length - 1])
    found[:, whole] = begun[:, starts[whole] + length - 1]
    return np.asarray(found)


_NEUTRAL: dict[Fold, float] = {np.add: 0.0, np.minimum: np.inf, np.maximum: -np.inf}


class Placed:
    """Rows by group and cell."""

    def __init__(self, grid: Grid, group: Ints, start_ms: Ints, groups: int) -> None:
        if groups * max(grid.cells, 1) > MAX_CELLS:
            raise execution(
                f"{groups} series by {grid.cells} windows are more than {MAX_CELLS:,} values: "
                "ask for fewer series, a shorter time or a longer step"
            )
        self._grid = grid
        self._shape = (groups, grid.cells)
        cell = grid.cells_of(start_ms)
        self._rows: NDArray[np.int64] = np.flatnonzero(cell >= 0)
        self._at = group[self._rows] * grid.cells + cell[self._rows]

    def sums(self, values: Floats) -> Floats:
        """The sum of each group and window."""
        cells = np.bincount(self._at, values[self._rows], self._shape[0] * self._shape[1])
        return self._grid.windows(cells.astype(np.float64).reshape(self._shape), np.add)

    def extremes(self, values: Floats, fold: Fold) -> Floats:
        """The smallest (`np.minimum`) or largest (`np.maximum`) of each; infinite where there is none."""
        cells = np.full(self._shape[0] * self._shape[1], _NEUTRAL[fold])
        fold.at(cells, self._at, values[self._rows])
        return self._grid.windows(cells.reshape(self._shape), fold)

    def latest(self, values: Floats, time_ms: Ints) -> tuple[Floats, Ints]:
        """The value of the latest row of each, and its time; rows are in the order of time."""
        order = np.full(self._shape[0] * self._shape[1], -1.0)
        np.maximum.at(order, self._at, self._rows.astype(np.float64))
        row = self._grid.windows(order.reshape(self._shape), np.maximum).astype(np.int64)
        never = np.iinfo(np.int64).min
        if not len(values):
            return np.zeros(row.shape), np.full(row.shape, never)
        return values[row], np.where(row >= 0, time_ms[row], never)
