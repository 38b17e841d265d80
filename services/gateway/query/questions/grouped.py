"""Grouped rows: what a selection holds in windows of one tier, a row for each group and window that has points.

Times are milliseconds UTC. Everything that is answered of a metric, in whatever dialect, is made of these rows.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np

from services.gateway.query.questions.selection import Selection
from shared.model.labels import Labels
from shared.model.rollup import Ints, Rollups, concatenate, merged
from shared.model.series import Series


class Group(NamedTuple):
    """What the rows of a group have in common."""

    kind: str
    unit: str
    labels: Labels
    """The labels that the selection groups by, those that its series bear."""


@dataclass(slots=True, eq=False)
class Grouped:
    """Rows of groups, ascending by start and slot, no two of one group and window."""

    tier_ms: int
    """Length of the windows."""
    groups: list[Group]
    """What `rollups.slot` means."""
    rollups: Rollups
    number: int = field(default_factory=count().__next__)
    """Its own in this process: rows are never changed, so equal numbers are equal rows."""


class Piece(NamedTuple):
    """Rows of closed windows, some of those that were read together."""

    rows: Grouped
    first: int
    end: int
    """Index of the first row, and of the one after the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What the rows of a selection are made of, before they are put together."""

    tier_ms: int
    pieces: Sequence[Piece]
    open_rows: Sequence[Callable[[], Grouped]]
    """Rows of live windows."""
    open_state: Hashable | None
    """Equal where these are equal; None: nobody can tell."""
    complete_until_ms: int
    """Windows that end at or before this are whole in it."""

    @property
    def state(self) -> Hashable | None:
        """What it is made of: equal states give equal rows. None: nobody can tell."""
        if self.open_state is None:
            return None
        return tuple((one.rows.number, one.first, one.end) for one in self.pieces), self.open_state

    def rows(self) -> Grouped:
        """The rows, put together."""
        closed = (within(one) for one in self.pieces)
        return combined([*closed, *(rows() for rows in self.open_rows)], self.tier_ms)


class Part(NamedTuple):
    """Rows to be put together: of series, or of groups that are finer than those asked for."""

    owners: Sequence[Series]
    """What `rollups.slot` means; a prepared group stands as a series with the labels that it is grouped by."""
    rollups: Rollups


class Source(Protocol):
    """Where grouped rows come from; the answer of a question is made of what this gives."""

    async def rows(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Grouped:
        """Rows of the windows that start in [from_ms, to_ms), multiples of the tier; with `live`, open ones too.

        Raises `Rejected` where this costs too much, `Unavailable`.
        """
        ...

    async def complete_until_ms(self) -> int:
        """Windows that end at or before this are closed in every partition."""
        ...


class GatheredSource(Source, Protocol):
    """One that says what rows are made of, so that what was made of them can be known again."""

    async def gathered(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Gathered:
        """The same, not put together yet; raises as `rows` does."""
        ...


def whole(rows: Grouped, complete_until_ms: int) -> Gathered:
    """Rows that are there already."""
    return Gathered(rows.tier_ms, [Piece(rows, 0, len(rows.rollups))], [], (), complete_until_ms)


def within(piece: Piece) -> Grouped:
    """The rows of a piece."""
    rows = piece.rows
    if (piece.first, piece.end) == (0, len(rows.rollups)):
        return rows
    return Grouped(rows.tier_ms, rows.groups, rows.rollups.span(piece.first, piece.end))


def combined(found: Iterable[Grouped], tier_ms: int) -> Grouped:
    """Rows of several sources together, in windows of a tier that is no finer than theirs."""
    groups: dict[Group, int] = {}
    parts = []
    for one in found:
        if len(one.rollups):
            place = np.array([groups.setdefault(group, len(groups)) for group in one.groups], np.int64)
            parts.append(replace(one.rollups, slot=place[one.rollups.slot]))
    if not parts:
        return empty(tier_ms)
    return Grouped(tier_ms, list(groups), by_window(concatenate(parts), tier_ms))


def empty(tier_ms: int) -> Grouped:
    """No rows."""
    return Grouped(tier_ms, [], NOTHING)


def grouped(selection: Selection, parts: Iterable[Part], tier_ms: int) -> Grouped:
    """Put rows together by the groups of a selection, in windows of a tier that is no finer than theirs.

    Series that the selection does not ask for are left out. Rows are added in the order in which they are given.
    """
    groups: dict[Group, int] = {}
    found = [_selected(selection, part, groups) for part in parts]
    rows = concatenate([NOTHING, *found])
    if not len(rows):
        return empty(tier_ms)
    return Grouped(tier_ms, list(groups), by_window(rows, tier_ms))


def by_window(rows: Rollups, tier_ms: int) -> Rollups:
    """One row for each slot and window of the tier, ascending by start and slot."""
    return _by_cell(rows, rows.start_ms - rows.start_ms % tier_ms)


def _by_cell(rows: Rollups, start_ms: Ints) -> Rollups:
    order = np.lexsort((rows.slot, start_ms))
    changes = (np.diff(start_ms[order]) != 0) | (np.diff(rows.slot[order]) != 0)
    if changes.all():
        # No two rows belong together, as in windows that are those of the rows.
        ordered = rows if (np.diff(order) == 1).all() else rows.take(order)
        return replace(ordered, start_ms=start_ms[order])
    cell = np.empty(len(rows), np.int64)
    cell[order] = np.concatenate(([0], np.cumsum(changes)))
    first = order[np.concatenate(([True], changes))]
    merge = merged(rows, cell, len(first))
    return replace(merge, slot=rows.slot[first], start_ms=start_ms[first])


def _selected(selection: Selection, part: Part, groups: dict[Group, int]) -> Rollups:
    group = np.array([group_in(selection, owner, groups) for owner in part.owners], np.int64)
    if not len(group):
        return NOTHING
    return with_slots(part.rollups, group[part.rollups.slot])


def with_slots(rows: Rollups, slot: Ints) -> Rollups:
    """The rows with other slots; those with a negative one are left out."""
    kept = np.flatnonzero(slot >= 0)
    if len(kept) == len(slot):
        return replace(rows, slot=slot)
    return replace(rows.take(kept), slot=slot[kept])


def group_in(selection: Selection, owner: Series, groups: dict[Group, int]) -> int:
    """The place of an owner's group, a new one if need be; -1: it is not asked for."""
    if (
        owner.tenant_id != selection.tenant_id
        or owner.metric != selection.metric
        or selection.kind not in {None, owner.kind}
        or selection.unit not in {None, owner.unit}
        or not selection.matches(owner.labels)
    ):
        return -1
    group = Group(owner.kind, owner.unit, selection.group_of(owner.labels))
    return groups.setdefault(group, len(groups))


def _nothing() -> Rollups:
    ints, floats = np.zeros(0, np.int64), np.zeros(0)
    return Rollups(
        slot=ints, start_ms=ints, count=floats, samples=floats, sum=floats, min=floats, max=floats, last=floats,
        last_ms=ints, estimated=np.zeros(0, np.bool_), revision=ints, late_count=ints, watermark_ms=ints,
        sketch_at=np.zeros(1, np.int64), bucket=np.zeros(0, np.int16), weight=floats,
        distinct_at=np.zeros(1, np.int64), register=np.zeros(0, np.uint16), rank=np.zeros(0, np.uint8),
    )  # fmt: skip


NOTHING = _nothing()
"""No rows."""


def without_sketches(rows: Rollups) -> Rollups:
    """The rows for figures that need no sketch: their merge is right but for extremes that are bounds."""
    nothing = np.zeros(len(rows) + 1, np.int64)
    return replace(rows, sketch_at=nothing, bucket=NOTHING.bucket, weight=NOTHING.weight)


def in_windows(rows: Rollups, begin_ms: Ints, end_ms: Ints) -> Rollups:
    """Rows in other windows, [begin, end), both ascending, which may overlap: a row goes into each with its start.

    The result is ascending by window and slot, and its starts are among `begin_ms`.
    """
    first = np.searchsorted(end_ms, rows.start_ms, side="right")
    copies = np.maximum(np.searchsorted(begin_ms, rows.start_ms, side="right") - first, 0)
    if len(rows) and (copies == 1).all():
        # As in windows that adjoin each other and hold all rows.
        return _by_cell(rows, begin_ms[first])
    row = np.repeat(np.arange(len(rows)), copies)
    if not len(row):
        return NOTHING
    window = np.repeat(first, copies) + np.arange(len(row)) - np.repeat(np.cumsum(copies) - copies, copies)
    return _by_cell(rows.take(row), begin_ms[window])
