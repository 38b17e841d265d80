"""Late points: how far they may still change closed windows, and how. Milliseconds UTC.

A late point belongs to a closed window, whose row is merged and gets a higher revision. Invariant: late points of one
message merge together, in the order of the log, and raise the revision by one; so a row does not depend on when commits
happened.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.open_windows import Standing, rows_of
from shared.model.rollup import Ints, Rollups
from shared.model.window import BASE_MS, starts_of

_SLOT_BITS = 24
_SLOTS = (1 << _SLOT_BITS) - 1


class WindowKeys(NamedTuple):
    """Windows by start and slot."""

    start_ms: Ints
    slot: Ints


NO_WINDOWS = WindowKeys(np.zeros(0, np.int64), np.zeros(0, np.int64))


def windows_of(late: Entries) -> WindowKeys:
    """The distinct windows of the finest tier that hold these points, ascending."""
    slot, start_ms = _named(np.unique(_code(starts_of(late.ts_ms), late.slot)))
    return WindowKeys(start_ms, slot)


def late_rows(late: Entries, watermark_ms: int, resolution_ms: int = BASE_MS) -> Rollups:
    """The late points of one message, a row for each window and series, ready to be merged."""
    codes, cell = np.unique(_code(starts_of(late.ts_ms, resolution_ms), late.slot), return_inverse=True)
    cells, rows = Cells(len(codes)), len(codes)
    cells.fold(cell, late)
    points = late.points()
    counted = np.bincount(cell if points is None else cell[points], minlength=rows)
    standing = Standing(
        *_named(codes), np.ones(rows, np.int64), counted.astype(np.int64), np.full(rows, watermark_ms)
    )
    return rows_of(cells, np.arange(rows), standing)


def _code(start_ms: Ints, slot: NDArray[np.integer]) -> Ints:
    return (start_ms // BASE_MS << _SLOT_BITS) + slot


def _named(codes: Ints) -> tuple[Ints, Ints]:
    """The slots and starts that make these codes."""
    return codes & _SLOTS, (codes >> _SLOT_BITS) * BASE_MS


def bites(late: Rollups, rows: int) -> Iterator[Rollups]:
    """Late rows in the order of the log, so divided that each bite revises at most `rows` stored ones, all of them."""
    codes = _code(late.start_ms, late.slot)
    revised, at = np.unique(codes, return_inverse=True)
    if len(revised) <= rows:
        yield late
        return
    bite = at // rows
    order = np.argsort(bite, kind="stable")
    ends = np.cumsum(np.bincount(bite))
    for begin, end in zip((0, *ends[:-1].tolist()), ends.tolist(), strict=True):
        yield late.take(order[begin:end])


def rows_to_revise(late: Rollups) -> WindowKeys:
    """The distinct rows that late points change, ascending."""
    slot, start_ms = _named(np.unique(_code(late.start_ms, late.slot)))
    return WindowKeys(start_ms, slot)


def revise(stored: Rollups | None, late: Rollups) -> Rollups:
    """The new state of every row that late rows, in the order of the log, change, given those of them that exist."""
    start_ms, slot = rows_to_revise(late)
    codes = _code(start_ms, slot)
    cells, rows = Cells(len(codes)), len(codes)
    revision, late_count, watermark_ms = (np.zeros(rows, np.int64) for _ in range(3))
    for part in (late,) if stored is None else (stored, late):
        at = np.searchsorted(codes, _code(part.start_ms, part.slot))
        cells.merge(at, part)
        np.add.at(revision, at, part.revision)
        np.add.at(late_count, at, part.late_count)
        np.maximum.at(watermark_ms, at, part.watermark_ms)
    return rows_of(cells, np.arange(rows), Standing(slot, start_ms, revision, late_count, watermark_ms))
