"""Running totals become increments: a total adds its growth since the one before it. Milliseconds UTC.

The rules stand in docs/RUNNING_TOTALS.md. A total that changes what others add takes back what they had added.
Invariant: within the horizon, what totals add does not depend on the order in which they come.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.history import NOTHING, Floats, History, Ints, Totals, keys_of
from services.aggregator.domain.totals.owners import Owners
from services.aggregator.domain.totals.rules import NEVER_MS, YOUNG_MS, Mask
from services.aggregator.domain.totals.sequences import Changes, Sequences
from services.aggregator.domain.totals.streams import Columns
from services.aggregator.domain.windows.entries import INCREMENT, SEEN, TOTAL, Entries, joined

HORIZON_MS = 15 * 60_000
"""How far behind the watermark a total may come."""

SILENT_MS = 24 * 3600 * 1000
"""A start that had no total for so long is forgotten; while they are crowded, an hour is enough."""

CROWDED_SILENT_MS = 3600 * 1000

FORGET_EVERY_MS = 5 * 60_000
"""Log time between two times that old totals are forgotten."""

MAX_STARTS = 1 << 19
"""Starts of a partition that are remembered; beyond it new ones count nothing."""

MAX_TOTALS = 1 << 20
"""Most totals of a partition that are remembered; beyond it the horizon is shortened. It exceeds `MAX_STARTS`."""


class Judged(NamedTuple):
    """What rows of running totals become."""

    entries: Entries
    """What they add and take back, and that they came."""
    stale: Mask
    """Rows that came too late to count from."""
    contested: Mask
    """Rows that several writers sent: they count nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is to be stored of running totals at each checkpoint."""

    floor_ms: int
    """Totals from before it come too late."""
    of_stream: Columns
    """Columns of streams."""
    of_start: Columns
    """Columns of starts."""
    totals: Totals
    """Those since all were last kept whole, ascending."""
    continued: bool
    """Whether they were ever kept whole; else what may lie there is not theirs."""
    identified_ms: int | None
    """Event time up to which nothing told streams of a series apart; None: it never did."""


class RunningTotals:
    """The running totals of one partition."""

    def __init__(self, max_starts: int = MAX_STARTS, max_totals: int = MAX_TOTALS) -> None:
        self._max_starts, self._max_totals = max_starts, max_totals
        self._sequences = Sequences(max_starts)
        self._floor_ms = NEVER_MS
        self._forgot = self._continued = False
        """Whether totals were forgotten since all were last kept whole, and whether they ever were."""
        self.evicted = 0
        """Totals that counted nothing, for no more starts were remembered."""
        self.contested = 0
        """Totals that counted nothing, since several writers sent them."""

    @property
    def size(self) -> int:
        """Totals that are remembered."""
        return self._sequences.size

    @property
    def starts(self) -> int:
        """Starts that are remembered."""
        return len(self._sequences.streams)

    def judge(self, points: Entries, histogram: Mask, watermark_ms: int) -> Judged:
        """What these rows add, given which of them are buckets and the watermark before them."""
        horizon_ms = max(watermark_ms - HORIZON_MS, self._floor_ms)
        stale = points.ts_ms < horizon_ms
        fresh = np.flatnonzero(~stale) if stale.any() else slice(None)
        points, histogram = points.rows(fresh), histogram[fresh]
        owners, total = _read(points, histogram)
        start, moved = self._sequences.streams.of(owners, points.ts_ms)
        known = start >= 0
        self.evicted += len(known) - int(known.sum())
        totals = Totals(keys_of(start, points.ts_ms), total)
        changes, refused = self._sequences.take(totals.rows(known).standing(), moved, horizon_ms)
        entries = _entries(points, histogram, [one for each in changes for one in self._written(each)])
        contested = np.zeros(len(stale), np.bool_)
        if len(refused):
            contested[fresh] = known & np.isin(totals.key, refused)
            self.contested += int(contested.sum())
        if self.size > self._max_totals:
            self._crowd(horizon_ms)
        return Judged(entries, stale, contested)

    def _written(self, changes: Changes) -> tuple[Entries, ...]:
        """What is taken back, and what is added instead."""
        return tuple(
            self._increments(changes.totals, added, sign)
            for added, sign in ((changes.before, -1.0), (changes.now, 1.0))
        )

    def _increments(self, totals: Totals, added: Floats, sign: float) -> Entries:
        counts = np.flatnonzero(~np.isnan(added))
        totals, added = totals.rows(counts), added[counts]
        owners = self._sequences.streams.owners(totals.start)
        weight = np.where(owners.histogram, added, 1.0) * sign
        counted = np.flatnonzero(weight)
        entries = Entries(
            owners.slot,
            totals.ts_ms,
            np.where(owners.histogram, owners.middle, added),
            weight,
            role=np.full(len(counts), INCREMENT, np.uint8),
        )
        return entries if len(counted) == len(counts) else entries.rows(counted)

    def forget(self, watermark_ms: int) -> None:
        """Forget what no total within the horizon will be compared with. To be called when the log says so."""
        if self.size:
            self._forget(max(watermark_ms - HORIZON_MS, self._floor_ms), watermark_ms)

    def _crowd(self, horizon_ms: int) -> None:
        """Shorten the horizon to make room."""
        room = (self._max_totals - self.starts) // 2
        ts_ms = self._sequences.history.all().ts_ms
        at = len(ts_ms) - max(0, room) - 1
        self._floor_ms = max(horizon_ms, int(np.partition(ts_ms, at)[at]) + 1)
        self._forget(self._floor_ms, NEVER_MS)

    def _forget(self, horizon_ms: int, watermark_ms: int) -> None:
        self._sequences.forget(horizon_ms, self._silent_since_ms(watermark_ms))
        self._forgot = True

    def _silent_since_ms(self, watermark_ms: int) -> Ints:
        """When each sequence must have had a total to be remembered, at the places of their heads."""
        streams, crowded = self._sequences.streams, 2 * self.starts > self._max_starts
        silent_ms = np.where(
            # Nobody may ever count from a start that is its total's own time; while it is young, somebody may.
            streams.newest_start_ms[: self.starts] == streams.newest_ms[: self.starts],
            YOUNG_MS + HORIZON_MS if crowded else CROWDED_SILENT_MS,
            CROWDED_SILENT_MS if crowded else SILENT_MS,
        )
        return np.asarray(np.maximum(watermark_ms, NEVER_MS + silent_ms) - silent_ms)

    def take_noticed(self) -> list[int]:
        """The slots of series of which several writers were noticed since the previous call."""
        noticed, self._sequences.noticed = self._sequences.noticed, set()
        return sorted(noticed)

    def slots(self) -> Ints:
        """The slots of all series with running totals, ascending."""
        return self._sequences.streams.slots()

    def keep(self, slots: Ints) -> None:
        """Renumber the series: slot `slots[i]`, ascending, becomes i."""
        self._sequences.streams.renumber(slots)

    def checkpoint(self) -> tuple[Totals | None, Kept | None]:
        """All totals, to be kept whole, if some were forgotten since the previous call; and what came since that."""
        whole = self._sequences.history.all() if self._forgot else None
        if whole is not None:
            self._sequences.history, self._forgot, self._continued = History(whole), False, True
        if not self.size:
            return whole, None
        return whole, Kept(
            self._floor_ms,
            *self._sequences.streams.columns(),
            self._sequences.history.since(),
            self._continued,
            self._sequences.streams.identified_ms,
        )

    def restore(self, whole: Totals, kept: Kept) -> None:
        """Start from what was stored: totals that were kept whole, and what came since."""
        self._floor_ms, self._continued = kept.floor_ms, kept.continued
        history = History(whole if kept.continued else NOTHING, kept.totals)
        self._sequences.restore(kept.of_stream, kept.of_start, history)
        self._sequences.streams.identify(kept.identified_ms)


def _entries(points: Entries, histogram: Mask, written: Iterable[Entries]) -> Entries:
    """These rows as totals that came, and what was written of them."""
    role = np.where(histogram, SEEN, TOTAL).astype(np.uint8)
    came = Entries(points.slot, points.ts_ms, points.value, distinct=points.distinct, role=role)
    return joined([came, *written])


def _read(points: Entries, histogram: Mask) -> tuple[Owners, Floats]:
    """Whose totals these rows hold, and the totals: of a bucket its weight."""
    start_ms = np.zeros(len(points), np.int64) if points.start_ms is None else points.start_ms
    if not histogram.any():
        owners = Owners(points.slot, histogram, np.zeros(len(points)), start_ms, points.stream)
        return owners, points.value
    weight = np.ones(len(points)) if points.weight is None else points.weight
    middle = np.where(histogram, points.value, 0.0)
    owners = Owners(points.slot, histogram, middle, start_ms, points.stream)
    return owners, np.where(histogram, weight, points.value)
