"""Running totals become increments: a total adds its growth since the one before it. Milliseconds UTC.

The totals of a stream are ordered by start and event time. A total that is smaller than the one before it, or has
another start, counts in full; the first of a stream counts nothing. A total that comes between two others takes back
what its successor had added. Invariant: within the horizon, what totals add does not depend on the order in which they
come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.history import NOTHING, Floats, History, Ints, Totals, keys_of, merged
from services.aggregator.domain.totals.streams import NEVER_MS, Columns, Mask, Owners, Streams
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


class Changes(NamedTuple):
    """Totals that now add something else than before; NaN: nothing."""

    totals: Totals
    before: Floats
    now: Floats


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


class RunningTotals:
    """The running totals of one partition."""

    def __init__(self, max_starts: int = MAX_STARTS, max_totals: int = MAX_TOTALS) -> None:
        self._max_starts, self._max_totals = max_starts, max_totals
        self._streams, self._history = Streams(max_starts), History()
        self._floor_ms = NEVER_MS
        self._forgot = self._continued = False
        """Whether totals were forgotten since all were last kept whole, and whether they ever were."""
        self.size = 0
        """Totals that are remembered."""
        self.evicted = 0
        """Totals that counted nothing, for no more starts were remembered."""

    @property
    def starts(self) -> int:
        """Starts that are remembered."""
        return len(self._streams)

    def judge(self, points: Entries, histogram: Mask, watermark_ms: int) -> Judged:
        """What these rows add, given which of them are buckets and the watermark before them."""
        horizon_ms = max(watermark_ms - HORIZON_MS, self._floor_ms)
        stale = points.ts_ms < horizon_ms
        if stale.any():
            points, histogram = points.rows(~stale), histogram[~stale]
        owners, total = _read(points, histogram)
        start, completed = self._streams.of(owners, horizon_ms)
        known = start >= 0
        self.evicted += len(known) - int(known.sum())
        totals = Totals(keys_of(start, points.ts_ms), total).rows(known)
        written = [entries for changes in self._take(totals, completed) for entries in self._written(changes)]
        entries = _entries(points, histogram, written)
        if self.size > self._max_totals:
            self._crowd(horizon_ms)
        return Judged(entries, stale)

    def _take(self, totals: Totals, completed: Ints) -> list[Changes]:
        """Take in totals; first those that come between others."""
        totals, changes = totals.standing(), []
        between = totals.ts_ms <= self._streams.newest_ms[totals.start]
        if len(completed) or between.any():
            changes.append(self._amend(totals.rows(between), completed))
            totals = totals.rows(~between)
        if len(totals.key):
            changes.append(self._append(totals))
        return changes

    def _append(self, totals: Totals) -> Changes:
        """Take in totals that come after all others of their starts."""
        streams, start, ts_ms = self._streams, totals.start, totals.ts_ms
        first = _firsts(start)
        before = np.empty(len(start))
        before[1:], before[first] = totals.total[:-1], streams.newest[start[first]]
        unseen = np.flatnonzero(np.isnan(before))
        now = _grown(before, totals.total)
        now[unseen[~streams.whole[start[unseen]]]] = np.nan
        streams.first_ms[start[unseen]] = ts_ms[unseen]
        # The last of each start is assigned last.
        streams.newest_ms[start], streams.newest[start] = ts_ms, totals.total
        self._history.add(totals)
        self.size += len(start)
        return Changes(totals, np.full(len(start), np.nan), now)

    def _amend(self, totals: Totals, completed: Ints) -> Changes:
        """Take in totals that come between others, or where one stands; and count what has become whole."""
        streams = self._streams
        old = self._history.of(np.union1d(totals.start, completed))
        new = merged(old, totals)
        whole = streams.whole[old.start] & ~np.isin(old.start, completed)
        before, now = np.full(len(new.key), np.nan), _added(new, streams.whole[new.start])
        before[new.key.searchsorted(old.key)] = _added(old, whole)
        np.minimum.at(streams.first_ms, new.start, new.ts_ms)
        streams.newest[new.start] = new.total
        self._history.add(totals)
        self.size += len(new.key) - len(old.key)
        changed = (before != now) & ~(np.isnan(before) & np.isnan(now))
        return Changes(new.rows(changed), before[changed], now[changed])

    def _written(self, changes: Changes) -> tuple[Entries, ...]:
        """What is taken back, and what is added instead."""
        return tuple(
            self._increments(changes.totals, added, sign)
            for added, sign in ((changes.before, -1.0), (changes.now, 1.0))
        )

    def _increments(self, totals: Totals, added: Floats, sign: float) -> Entries:
        counts = np.flatnonzero(~np.isnan(added))
        totals, added = totals.rows(counts), added[counts]
        owners = self._streams.owners(totals.start)
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
        ts_ms = self._history.all().ts_ms
        at = len(ts_ms) - max(0, room) - 1
        self._floor_ms = max(horizon_ms, int(np.partition(ts_ms, at)[at]) + 1)
        self._forget(self._floor_ms, NEVER_MS)

    def _forget(self, horizon_ms: int, watermark_ms: int) -> None:
        """Of each start, keep the totals since the horizon and the newest older one."""
        totals, streams = self._history.all(), self._streams
        silent_ms = SILENT_MS if 2 * self.starts <= self._max_starts else CROWDED_SILENT_MS
        alive = streams.newest_ms[: self.starts] >= max(watermark_ms, NEVER_MS + silent_ms) - silent_ms
        start, kept = totals.start, totals.ts_ms >= horizon_ms
        # One before another that is too old itself is never looked at again.
        kept[:-1] |= kept[1:] | (start[1:] != start[:-1])
        kept[-1:] = True
        totals = totals.rows(kept & alive[start])
        if not alive.all():
            moved = streams.keep(alive)
            totals = Totals(keys_of(moved[totals.start], totals.ts_ms), totals.total)
        self._history, self.size, self._forgot = History(totals), len(totals.key), True

    def slots(self) -> Ints:
        """The slots of all series with running totals, ascending."""
        return self._streams.slots()

    def keep(self, slots: Ints) -> None:
        """Renumber the series: slot `slots[i]`, ascending, becomes i."""
        self._streams.renumber(slots)

    def checkpoint(self) -> tuple[Totals | None, Kept | None]:
        """All totals, to be kept whole, if some were forgotten since the previous call; and what came since that."""
        whole = self._history.all() if self._forgot else None
        if whole is not None:
            self._history, self._forgot, self._continued = History(whole), False, True
        if not self.size:
            return whole, None
        return whole, Kept(self._floor_ms, *self._streams.columns(), self._history.since(), self._continued)

    def restore(self, whole: Totals, kept: Kept) -> None:
        """Start from what was stored: totals that were kept whole, and what came since."""
        self._continued = kept.continued
        self._history = History(whole if kept.continued else NOTHING, kept.totals)
        totals = self._history.all()
        newest = np.append(totals.start[1:] != totals.start[:-1], True)
        self._streams.restore(kept.of_stream, kept.of_start, totals.rows(newest))
        self._floor_ms, self.size = kept.floor_ms, len(totals.key)


def _entries(points: Entries, histogram: Mask, written: Sequence[Entries]) -> Entries:
    """These rows as totals that came, and what was written of them."""
    role = np.where(histogram, SEEN, TOTAL).astype(np.uint8)
    came = Entries(points.slot, points.ts_ms, points.value, None, None, points.distinct, role)
    return joined([came, *written])


def _read(points: Entries, histogram: Mask) -> tuple[Owners, Floats]:
    """Whose totals these rows hold, and the totals: of a bucket its weight."""
    start_ms = np.zeros(len(points), np.int64) if points.start_ms is None else points.start_ms
    if not histogram.any():
        return Owners(points.slot, histogram, np.zeros(len(points)), start_ms), points.value
    weight = np.ones(len(points)) if points.weight is None else points.weight
    middle = np.where(histogram, points.value, 0.0)
    return Owners(points.slot, histogram, middle, start_ms), np.where(histogram, weight, points.value)


def _grown(before: Floats, total: Floats) -> Floats:
    """What each total has grown by; from nothing, or from more than it is now, all of it."""
    return np.where(total >= before, total - before, total)


def _added(totals: Totals, whole: Mask) -> Floats:
    """What each of these totals adds, which are all of their starts; NaN: nothing."""
    first = _firsts(totals.start)
    before = np.empty(len(first))
    before[1:] = totals.total[:-1]
    before[first] = np.nan
    added = _grown(before, totals.total)
    added[first & ~whole] = np.nan
    return added


def _firsts(start: Ints) -> Mask:
    """Which are the first of their starts, which are ascending."""
    first = np.ones(len(start), np.bool_)
    first[1:] = start[1:] != start[:-1]
    return first
