"""The closed windows that rules with ranges look back on, of one partition.

Times are milliseconds UTC of the log; `watermark_ms` of a kept row is the step at which it was heard. Invariant: a
window of a series is kept once, however often it comes, and a range is decided only when all of it was kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.alerts.evaluation.domain.lookback import step_at
from shared.alerts.rules.plan import Leaf
from shared.model.rollup import RAGGED, ROW_COLUMNS, Ints, Rollups, concatenate, merged
from shared.model.window import BASE_MS, start_of

MAX_ROWS = 2_000_000
"""Windows kept at once; beyond it they start anew, and ranges decide nothing until they are covered again."""

NEVER_MS = np.iinfo(np.int64).max
"""No window begins after it."""

_ROW_BYTES = 500
_SPARE_SLOTS = 10_000
_NOTHING = np.zeros(0, np.int64)


@dataclass(slots=True, eq=False)
class KeptWindows:
    """Rows with the series that their slots mean."""

    series: list[bytes]
    rows: Rollups


@dataclass(slots=True, eq=False)
class HistoryWork:
    """What is to be written of a history."""

    added: KeptWindows | None = None
    reached_ms: int | None = None
    """Windows that begin before are forgotten; None: all stay."""
    since_ms: Mapping[str, int] | None = None
    """All that is covered; None: it has not changed."""


class Range(NamedTuple):
    """What a range holds at a step, a row a series."""

    slots: Ints
    """Series."""
    rows: Rollups
    window_ms: Ints
    """Start of the latest window with points."""
    heard_ms: Ints
    """Step at which that was heard."""


@dataclass(slots=True, eq=False)
class History:
    """Windows by their time, and since when those of each leaf are kept."""

    max_rows: int = MAX_ROWS
    series: list[bytes] = field(default_factory=list)
    """By slot."""
    evicted: int = 0
    """Windows that had no room."""
    _since_ms: dict[str, int] = field(default_factory=dict)
    _saved_ms: dict[str, int] = field(default_factory=dict)
    _slots: dict[bytes, int] = field(default_factory=dict)
    _parts: list[Rollups] = field(default_factory=list)
    _open: set[tuple[int, int]] = field(default_factory=set)
    _added: list[Rollups] = field(default_factory=list)
    _reached_ms: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def restore(self, kept: Iterable[KeptWindows], since_ms: Mapping[str, int], time_ms: int) -> None:
        """Go on from what was kept at a tick."""
        self._since_ms, self._saved_ms = dict(since_ms), dict(since_ms)
        for one in kept:
            self._add(one.series, one.rows, time_ms)
        self._added = []

    def keep(self, series: Sequence[bytes], rows: Rollups, watermark_ms: int) -> None:
        """Keep rows of closed windows that no tick has passed; those that are there already come again."""
        if len(self) + len(rows) > self.max_rows:
            self.evicted += len(self) + len(rows)
            self.clear()
            return
        rows = rows.take(np.arange(len(rows)))
        rows.watermark_ms = np.maximum(start_of(watermark_ms), rows.start_ms + BASE_MS)
        self._add(series, rows, 0)

    def _add(self, series: Sequence[bytes], rows: Rollups, time_ms: int) -> None:
        used = np.unique(rows.slot)
        slots = np.zeros(len(series), np.int64)
        slots[used] = [self._slot(series[slot]) for slot in used.tolist()]
        rows.slot = slots[rows.slot]
        cells = list(zip(rows.slot.tolist(), rows.start_ms.tolist(), strict=True))
        new = [at for at, cell in enumerate(cells) if cell not in self._open]
        self._open.update(cell for cell in cells if cell[1] + BASE_MS > time_ms)
        if new:
            kept = rows.take(np.array(new, np.int64))
            self._parts.append(kept)
            self._added.append(kept)

    def _slot(self, packed: bytes) -> int:
        slot = self._slots.setdefault(packed, len(self.series))
        if slot == len(self.series):
            self.series.append(packed)
        return slot

    def clear(self) -> None:
        """Forget all, and since when it was kept."""
        if self._parts or self._since_ms:
            self._reached_ms = NEVER_MS
        self.series, self._slots, self._open = [], {}, set()
        self._parts, self._added, self._since_ms = [], [], {}

    def cover(self, leaves: Iterable[str], time_ms: int) -> None:
        """Keep the windows of these leaves from now on, a tick, and of no others."""
        begin_ms = start_of(time_ms)
        self._since_ms = {leaf: self._since_ms.get(leaf, begin_ms) for leaf in leaves}

    def covers(self, leaf: str, begin_ms: int) -> bool:
        """Whether all windows of a leaf from this one on were kept."""
        since_ms = self._since_ms.get(leaf)
        return since_ms is not None and since_ms <= begin_ms

    def steps(self, after_ms: int | None, time_ms: int, longest_ms: int) -> Iterator[int]:
        """The steps up to a tick at which a range of this length holds a window."""
        starts = np.unique(np.concatenate([part.start_ms for part in self._parts] or [_NOTHING]))
        if not len(starts):
            return
        first_ms = int(starts[0]) + BASE_MS
        if after_ms is not None:
            first_ms = max(first_ms, start_of(after_ms) + BASE_MS)
        last_ms = min(start_of(time_ms), int(starts[-1]) + longest_ms)
        for step_ms in range(first_ms, last_ms + 1, BASE_MS):
            low, high = np.searchsorted(starts, (step_ms - longest_ms, step_ms))
            if low < high:
                yield step_ms

    def needs_sketch(self, leaf: Leaf) -> bool:
        """Whether a figure is made of sketches: an extreme is where something was taken back."""
        if leaf.operation in ("min", "max"):
            return any(part.estimated.any() for part in self._parts)
        return leaf.operation == "quantile"

    def at(self, range_ms: int, step_ms: int, *, with_sketch: bool) -> Range | None:
        """What a range of this length holds before a step; None: nothing."""
        parts = []
        for part in self._parts:
            inside = (part.start_ms >= step_ms - range_ms) & (part.start_ms < step_ms)
            if inside.any():
                chosen = part if inside.all() else part.take(np.flatnonzero(inside))
                parts.append(chosen if with_sketch else _bare(chosen))
        if not parts:
            return None
        rows = concatenate(parts)
        found, cell = np.unique(rows.slot, return_inverse=True)
        latest = np.lexsort((rows.start_ms, cell))[np.cumsum(np.bincount(cell)) - 1]
        whole = merged(rows, cell, len(found))
        return Range(found, whole, rows.start_ms[latest], rows.watermark_ms[latest])

    def pass_by(self, time_ms: int, longest_ms: int) -> None:
        """Forget what no range reaches after this tick."""
        self._open = {cell for cell in self._open if cell[1] + BASE_MS > time_ms}
        # The next step is judged behind the next tick.
        reached_ms = step_at(time_ms + 1) - longest_ms
        kept = [part for part in self._parts if int(part.start_ms.max()) >= reached_ms]
        if len(kept) < len(self._parts):
            self._parts, self._reached_ms = kept, reached_ms
        if not self._added and not self._open and len(self.series) > _SPARE_SLOTS + 2 * len(self):
            self._renumber()

    def _renumber(self) -> None:
        """Give slots to the series that have windows alone."""
        series, parts = self.series, self._parts
        self.series, self._slots, self._parts = [], {}, []
        for part in parts:
            self._add(series, part, NEVER_MS)
        self._added = []

    @property
    def waiting_bytes(self) -> int:
        """Roughly what the next checkpoint frees."""
        return _ROW_BYTES * sum(map(len, self._added))

    def checkpoint(self) -> HistoryWork:
        """What has changed since the previous one."""
        since_ms = None if self._since_ms == self._saved_ms else dict(self._since_ms)
        work = HistoryWork(self._gathered(), self._reached_ms, since_ms)
        self._added, self._reached_ms, self._saved_ms = [], None, dict(self._since_ms)
        return work

    def _gathered(self) -> KeptWindows | None:
        if not self._added:
            return None
        rows = concatenate(self._added)
        used, slots = np.unique(rows.slot, return_inverse=True)
        rows = rows.take(np.arange(len(rows)))
        rows.slot = slots.astype(np.int64)
        return KeptWindows([self.series[slot] for slot in used.tolist()], rows)


def _bare(rows: Rollups) -> Rollups:
    """The rows without sketches and distinct counts, which cost most to merge."""
    nothing, columns = rows.take(_NOTHING), {name: getattr(rows, name) for name in ROW_COLUMNS}
    columns["estimated"] = np.zeros(len(rows), np.bool_)
    for at, names in RAGGED.items():
        columns[at] = np.zeros(len(rows) + 1, np.int64)
        columns |= {name: getattr(nothing, name) for name in names}
    return Rollups(**columns)
