"""From the rows of a leaf to its vector.

Times are milliseconds UTC, rates by second. A series has a value where its window has a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from services.gateway.query.prometheus.errors import execution
from services.gateway.query.prometheus.evaluation.reading import Windows
from services.gateway.query.prometheus.evaluation.vectors import Scalar, Vector, without
from services.gateway.query.prometheus.evaluation.windows import Grid, Placed
from services.gateway.query.prometheus.language.buckets import LE
from services.gateway.query.prometheus.language.plan import Leaf
from services.gateway.query.prometheus.language.selectors import NAME
from services.gateway.query.questions.grouped import NOTHING, Grouped
from shared.model import sketch
from shared.model.labels import Labels
from shared.model.rollup import NEVER_MS, Floats, Ints, Rollups, concatenate, merged, sketches_of

MAX_MERGED_ROWS = 500_000
"""Most rows that sketches are merged of, each counted in each window that holds it."""


class Read(NamedTuple):
    """The rows of a leaf."""

    groups: list[Labels]
    """What the slots of the rows mean."""
    rows: Rollups
    """In the order of time."""


def read(parts: Sequence[Grouped]) -> Read:
    """The rows of all spans of a leaf."""
    groups: dict[Labels, int] = {}
    found = [NOTHING]
    for part in parts:
        slots = np.array([groups.setdefault(group.labels, len(groups)) for group in part.groups], np.int64)
        if len(part.rollups):
            found.append(replace(part.rollups, slot=slots[part.rollups.slot]))
    rows = concatenate(found)
    return Read(list(groups), rows.take(np.argsort(rows.start_ms, kind="stable")))


def vector(leaf: Leaf, windows: Windows, parts: Sequence[Grouped], quantile: Scalar | None) -> Vector:
    """The vector of a leaf; `quantile` is what its own quantile is at each instant."""
    found = read(parts)
    grid = Grid(windows.begin_ms, windows.end_ms, is_of_days=leaf.range_ms == 0)
    if leaf.measure == "quantile":
        return _named(leaf, _quantiles(leaf, found, grid, cast("Scalar", quantile), windows.of))
    by_window = _MEASURES[leaf.measure](leaf, found, grid)
    columns = windows.of
    return _named(leaf, Vector(by_window.labels, by_window.values[:, columns], by_window.present[:, columns]))


def _named(leaf: Leaf, found: Vector) -> Vector:
    if not leaf.name:
        return found
    labels = [tuple(sorted((*each, (NAME, leaf.name)))) for each in found.labels]
    return Vector(labels, found.values, found.present)


def _placed(found: Read, grid: Grid, rows: Ints | None = None) -> Placed:
    slot, start_ms = found.rows.slot, found.rows.start_ms
    if rows is not None:
        slot, start_ms = slot[rows], start_ms[rows]
    return Placed(grid, slot, start_ms, len(found.groups))


def _per(leaf: Leaf, grid: Grid, values: Floats) -> Floats:
    length_ms = grid.end_ms - grid.begin_ms
    if leaf.per == "second":
        return values / (length_ms / 1000)
    return values * (leaf.range_ms / length_ms) if leaf.per == "range" else values


def _present(found: Read, placed: Placed) -> Floats:
    return placed.sums(np.ones(len(found.rows)))


def _sum(leaf: Leaf, found: Read, grid: Grid) -> Vector:
    placed = _placed(found, grid)
    values = found.rows.sum if leaf.measure == "sum" else found.rows.count
    return Vector(found.groups, _per(leaf, grid, placed.sums(values)), _present(found, placed) > 0)


def _avg(_: Leaf, found: Read, grid: Grid) -> Vector:
    placed = _placed(found, grid)
    total, count = placed.sums(found.rows.sum), placed.sums(found.rows.count)
    return Vector(found.groups, total / count, count != 0)


def _min(_: Leaf, found: Read, grid: Grid) -> Vector:
    values = _placed(found, grid).extremes(found.rows.min, np.minimum)
    return Vector(found.groups, values, np.isfinite(values))


def _max(_: Leaf, found: Read, grid: Grid) -> Vector:
    values = _placed(found, grid).extremes(found.rows.max, np.maximum)
    return Vector(found.groups, values, np.isfinite(values))


def _any(_: Leaf, found: Read, grid: Grid) -> Vector:
    present = _present(found, _placed(found, grid)) > 0
    return Vector(found.groups, np.ones(present.shape), present)


def _last(leaf: Leaf, found: Read, grid: Grid) -> Vector:
    rows = np.flatnonzero(found.rows.last_ms > NEVER_MS)
    values, time_ms = _placed(found, grid, rows).latest(found.rows.last[rows], found.rows.last_ms[rows])
    return Vector(found.groups, values, time_ms >= grid.end_ms - leaf.range_ms)


def _buckets(leaf: Leaf, found: Read, grid: Grid) -> Vector:
    placed = _placed(found, grid)
    present = _present(found, placed) > 0
    values = [_per(leaf, grid, placed.sums(_at_most(found.rows, bound))) for _, bound in leaf.bounds]
    labels = [
        tuple(sorted((*without(group, {LE}), (LE, text))))
        for text, _ in leaf.bounds
        for group in found.groups
    ]
    shape = (len(labels), len(grid.end_ms))
    return Vector(labels, np.reshape(values, shape), np.tile(present, (len(leaf.bounds), 1)))


def _at_most(rows: Rollups, bound: float) -> Floats:
    """How many values of each row are at most this: exact at its extremes, else within 1 % of the bound."""
    if bound == np.inf:
        return rows.count
    row = np.repeat(np.arange(len(rows)), np.diff(rows.sketch_at))
    edge = sketch.buckets_of(np.array([np.clip(bound, -1e100, 1e100)]))[0]
    counted = np.bincount(row, rows.weight * (rows.bucket <= edge), len(rows))
    whole = np.bincount(row, rows.weight, len(rows))
    return np.where(rows.max <= bound, whole, np.where(rows.min > bound, 0.0, counted))


def _quantiles(leaf: Leaf, found: Read, grid: Grid, quantile: Scalar, of: Ints) -> Vector:
    """The quantile of the sketches of each window, for each instant."""
    groups, slot = found.groups, found.rows.slot
    if leaf.without is not None and groups:
        # Under labels that are left out series fall together.
        kept: dict[Labels, int] = {}
        to = np.array([kept.setdefault(without(each, leaf.without), len(kept)) for each in groups])
        groups, slot = list(kept), to[slot]
    cell, rows = _merged(replace(found.rows, slot=slot), grid)
    sketches = sketches_of(rows, np.arange(len(rows)))
    values = np.full((len(groups), len(of)), np.nan)
    for q in np.unique(quantile):
        by_window = np.full((len(groups), len(grid.end_ms)), np.nan)
        by_window[cell] = _quantile(sketches, float(q))
        asked = np.isnan(quantile) if np.isnan(q) else quantile == q
        values[:, asked] = by_window[:, of[asked]]
    filled = np.zeros((len(groups), len(grid.end_ms)), np.bool_)
    filled[cell] = (
        np.bincount(np.repeat(np.arange(len(rows)), np.diff(rows.sketch_at)), rows.weight > 0, len(rows)) > 0
    )
    return Vector(groups, values, filled[:, of])


def _quantile(sketches: sketch.Sketches, q: float) -> Floats:
    if np.isnan(q) or not 0 <= q <= 1:
        return np.full(len(sketches.low), np.nan if np.isnan(q) else np.inf if q > 1 else -np.inf)
    return sketch.quantiles(sketches, (q,))[:, 0]


def _merged(rows: Rollups, grid: Grid) -> tuple[tuple[Ints, Ints], Rollups]:
    """The rows of each group and window as one, and which group and window each of these is of.

    Rows go first into the cells that windows are made of: what overlaps is then merged of few.
    """
    if not (grid.are_apart or grid.is_of_days):
        cell = grid.cells_of(rows.start_ms)
        (_, cell), rows = _by_group(rows, np.flatnonzero(cell >= 0), cell[cell >= 0], grid.cells)
        rows = replace(rows, start_ms=grid.begin_ms[0] + cell * grid.cell_ms)
    first = np.searchsorted(grid.end_ms, rows.start_ms, side="right")
    copies = np.maximum(np.searchsorted(grid.begin_ms, rows.start_ms, side="right") - first, 0)
    if copies.sum() > MAX_MERGED_ROWS:
        raise execution(
            f"sketches of {copies.sum():,} rows would be merged, more than {MAX_MERGED_ROWS:,}: "
            "ask for fewer series, a shorter range or a longer step"
        )
    row = np.repeat(np.arange(len(rows)), copies)
    window = np.arange(len(row)) + np.repeat(first - (np.cumsum(copies) - copies), copies)
    return _by_group(rows, row, window, len(grid.end_ms))


def _by_group(rows: Rollups, row: Ints, window: Ints, windows: int) -> tuple[tuple[Ints, Ints], Rollups]:
    """Rows that go into these windows, as one for each group and window, with both of each."""
    keys, cell = np.unique(rows.slot[row] * windows + window, return_inverse=True)
    group = keys // windows
    found = replace(merged(rows.take(row), cell, len(keys)), slot=group) if len(keys) else NOTHING
    return (group, keys % windows), found


_MEASURES: dict[str, Callable[[Leaf, Read, Grid], Vector]] = {
    "sum": _sum,
    "count": _sum,
    "buckets": _buckets,
    "min": _min,
    "max": _max,
    "last": _last,
    "avg": _avg,
    "present": _any,
}
