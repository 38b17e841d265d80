"""Late points: how far they may still change what has been closed, and how. Milliseconds UTC.

A late point belongs to a closed window, whose row is merged and revised. The law: each message merges as one, in the
order of the log, and raises the revision by one; so the row does not depend on when commits happened.
"""

import numpy as np
from numpy.typing import NDArray

from services.aggregator.domain.cells import Cells, Index, SketchRows, keys_of
from services.aggregator.domain.windows import Standing, cells_of, rows_of
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS, starts_of


def late_rows(points: Points, watermark_ms: int) -> Rollups:
    """The late points of one message, a row for each window and series, ready to be merged."""
    codes, cell, late = np.unique(
        _code(starts_of(points.ts_ms), points.slot), return_inverse=True, return_counts=True
    )
    cells = Cells(len(codes))
    cells.fold(cell, points)
    rows = len(codes)
    standing = Standing(
        *_named(codes), np.ones(rows, np.int64), late.astype(np.int64), np.full(rows, watermark_ms)
    )
    return rows_of(cells, np.arange(rows), standing)


_SLOT_BITS = 24
_SLOTS = (1 << _SLOT_BITS) - 1


def _code(start_ms: NDArray[np.int64], slot: NDArray[np.integer]) -> NDArray[np.int64]:
    return (start_ms // BASE_MS << _SLOT_BITS) + slot


def _named(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The slots and starts that make these codes."""
    return codes & _SLOTS, (codes >> _SLOT_BITS) * BASE_MS


def rows_to_revise(late: list[Rollups]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and slots of the distinct rows that late points change."""
    slot, start_ms = _named(np.unique(np.concatenate([_code(part.start_ms, part.slot) for part in late])))
    return start_ms, slot


def revise(stored: Rollups | None, late: list[Rollups]) -> Rollups:
    """The new state of every row that late points change, given those of them that exist."""
    start_ms, slot = rows_to_revise(late)
    codes = _code(start_ms, slot)
    rows = len(codes)
    if stored is None:
        cells = Cells(rows)
        revision, late_count, watermark_ms = (np.zeros(rows, np.int64) for _ in range(3))
    else:
        at = np.searchsorted(codes, _code(stored.start_ms, stored.slot)).astype(np.int64)
        cells = cells_of(_renumbered(stored, at), rows)
        revision, late_count, watermark_ms = (
            _scattered(at, column, rows)
            for column in (stored.revision, stored.late_count, stored.watermark_ms)
        )
    for part in late:
        at = np.searchsorted(codes, _code(part.start_ms, part.slot))
        _merge(cells, at, part)
        revision[at] += 1
        late_count[at] += part.late_count
        watermark_ms[at] = part.watermark_ms
    return rows_of(cells, np.arange(rows), Standing(slot, start_ms, revision, late_count, watermark_ms))


def _merge(cells: Cells, at: Index, part: Rollups) -> None:
    """Add a message's rows, each to another cell."""
    cells.count[at] += part.count
    cells.sum[at] += part.sum
    cells.min[at] = np.minimum(cells.min[at], part.min)
    cells.max[at] = np.maximum(cells.max[at], part.max)
    newer = part.last_ms >= cells.last_ms[at]
    cells.last[at[newer]] = part.last[newer]
    cells.last_ms[at[newer]] = part.last_ms[newer]
    cells.add_sketch(keys_of(at, SketchRows(part.sketch_at, part.bucket, part.weight)), part.weight)


def _renumbered(rollups: Rollups, slot: NDArray[np.int64]) -> Rollups:
    renumbered = rollups.take(np.arange(len(rollups)))
    renumbered.slot = slot
    return renumbered


def _scattered(at: Index, column: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    scattered = np.zeros(rows, np.int64)
    scattered[at] = column
    return scattered
