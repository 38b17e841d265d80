"""All sequences of a partition that are remembered, and what their totals add. Milliseconds UTC.

What a total adds follows from the totals of its sequence that are remembered (`rules`). One that comes after all others
is added without a look at them. One that comes between others, that falls, or that makes one sequence of two changes
what others add.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.history import Floats, History, Ints, Totals, keys_of, merged
from services.aggregator.domain.totals.rules import (
    CONTESTED_MS,
    Before,
    Mask,
    Ordered,
    added,
    before,
    contested,
    contests,
    fell,
    firsts,
    side_by_side,
    suspects,
)
from services.aggregator.domain.totals.streams import Columns, Streams

_NO_KEYS = np.zeros(0, np.int64)


class Changes(NamedTuple):
    """Totals that now add something else than before; NaN: nothing."""

    totals: Totals
    before: Floats
    now: Floats


class Sequences:
    """The sequences of one partition."""

    def __init__(self, most: int) -> None:
        self.streams, self.history = Streams(most), History()
        self.size = 0
        """Totals that are remembered."""
        self.noticed: set[int] = set()
        """Slots of series of which several writers were noticed."""

    def take(self, totals: Totals, moved: Mapping[int, int], horizon_ms: int) -> tuple[list[Changes], Ints]:
        """Take in totals; and the keys of those that are contested: they count nothing."""
        streams = self.streams
        order, now = streams.ordered(totals)
        previous = self._before(now)
        slow = (now.ts_ms <= previous.ts_ms) | fell(now, previous) | streams.suspect[now.sequence]
        if not len(moved) and not slow.any():
            return [self._append(totals.rows(order), now, previous)] if len(order) else [], _NO_KEYS
        sequences = np.union1d(now.sequence[slow], streams.sequence[list(moved)]).astype(np.int64)
        slow = np.isin(now.sequence, sequences)
        amended, refused = self._amend(totals.rows(order[slow]).standing(), sequences, moved, horizon_ms)
        if slow.all():
            return [amended], refused
        quick = np.flatnonzero(~slow)
        now, previous = now.rows(quick), previous.rows(quick)
        return [amended, self._append(totals.rows(order[quick]), now, previous)], refused

    def _before(self, now: Ordered) -> Before:
        """The totals before these, which come after all others of their sequences."""
        previous, first = before(now), firsts(now.sequence)
        for column, newest in zip(previous, self.streams.newest_of(now.sequence[first]), strict=True):
            column[first] = newest
        return previous

    def _append(self, totals: Totals, now: Ordered, previous: Before) -> Changes:
        """Take in totals that come after all others of their sequences."""
        unseen = np.isnan(previous.total)
        if unseen.any():
            self.streams.begin(now.rows(unseen))
        grown = added(now, previous, self.streams.whole[now.sequence])
        # The last of each sequence is assigned last.
        self.streams.end(now)
        self.history.add(totals)
        self.size += len(totals.key)
        return Changes(totals, np.full(len(grown), np.nan), grown)

    def _amend(
        self, totals: Totals, sequences: Ints, moved: Mapping[int, int], horizon_ms: int
    ) -> tuple[Changes, Ints]:
        """Take in totals that come between others, that fall, or that make one sequence of several."""
        streams = self.streams
        starts = streams.starts_of(sequences)
        old = self.history.of(starts)
        new = merged(old, totals)
        was = np.full(len(new.key), np.nan)
        was[new.key.searchsorted(old.key)] = self._added(
            old, _moved_back(streams.sequence, old.start, moved)
        )[0]
        now = streams.ordered(new)[1]
        if len(several := side_by_side(now)):
            streams.part(several)
            now = streams.ordered(new)[1]
        first = now.rows(firsts(now.sequence))
        streams.begin(first.rows(first.ts_ms < streams.first_ms[first.sequence]), horizon_ms)
        streams.end(now)
        is_now, refused = self._added(new, streams.sequence[new.start])
        self._suspect(now, streams.sequence[new.start[refused]])
        self.history.add(totals)
        self.size += len(new.key) - len(old.key)
        changed = (was != is_now) & ~(np.isnan(was) & np.isnan(is_now)) & (new.ts_ms >= horizon_ms)
        return Changes(new.rows(changed), was[changed], is_now[changed]), new.key[refused]

    def _suspect(self, now: Ordered, disputed: Ints) -> None:
        """Of these sequences, several writers send the disputed ones, and may send others."""
        streams = self.streams
        new = disputed[~streams.disputed[disputed]]
        self.noticed.update(streams.slot[streams.stream[new]].tolist())
        streams.disputed[now.sequence] = streams.suspect[now.sequence] = False
        streams.disputed[disputed] = streams.suspect[disputed] = True
        streams.suspect[suspects(now)] = True

    def _added(self, totals: Totals, sequence: Ints) -> tuple[Floats, Mask]:
        """What each of these totals adds, all of their sequences, NaN for nothing; and which are contested."""
        order, now = self.streams.ordered(totals, sequence)
        grown = added(now, before(now), self.streams.whole[now.sequence])
        refused = contested(now, contests(now), self.streams.contested_ms[now.sequence])
        grown[refused] = np.nan
        found, mask = np.empty(len(order)), np.empty(len(order), np.bool_)
        found[order], mask[order] = grown, refused
        return found, mask

    def restore(self, of_stream: Columns, of_start: Columns, history: History) -> None:
        """Start from what was stored."""
        self.history, streams = history, self.streams
        streams.restore(of_stream, of_start)
        totals = history.all()
        self.size = len(totals.key)
        _, now = streams.ordered(totals)
        if len(several := side_by_side(now)):
            parted = streams.part(several)
            _, now = streams.ordered(totals)
            first = now.rows(firsts(now.sequence))
            streams.begin(first.rows(np.isin(first.sequence, parted)))
        streams.end(now)
        refused = self._added(totals, streams.sequence[totals.start])[1]
        self._suspect(now, streams.sequence[totals.start[refused]])
        self.noticed.clear()

    def forget(self, horizon_ms: int, silent_since_ms: Ints) -> None:
        """Of each sequence that had a total since then, keep the totals since the horizon and the newest older one."""
        totals, streams = self.history.all(), self.streams
        order, now = streams.ordered(totals)
        kept = now.ts_ms >= horizon_ms
        # One before another that is too old itself is never looked at again.
        kept[:-1] |= kept[1:] | (now.sequence[1:] != now.sequence[:-1])
        kept[-1:] = True
        self._remember_contests(now, kept)
        kept &= (streams.newest_ms[: len(streams)] >= silent_since_ms)[now.sequence]
        totals = totals.rows(np.sort(order[kept]))
        alive = np.zeros(len(streams), np.bool_)
        alive[totals.start] = True
        if not alive.all():
            number = streams.keep(alive)
            totals = Totals(keys_of(number[totals.start], totals.ts_ms), totals.total)
        self.history, self.size = History(totals), len(totals.key)

    def _remember_contests(self, now: Ordered, kept: Mask) -> None:
        """Keep what totals that are forgotten tell of several writers."""
        some = np.flatnonzero(self.streams.disputed[now.sequence])
        rows, found = now.rows(some), contests(now.rows(some))
        lost = ~kept[some][found.first]
        last = found.last[lost]
        np.maximum.at(self.streams.contested_ms, rows.sequence[last], rows.ts_ms[last] + CONTESTED_MS)


def _moved_back(sequence: Ints, start: Ints, moved: Mapping[int, int]) -> Ints:
    """The sequence that each of these starts was in."""
    found = sequence[start]
    for one, old in moved.items():
        found[start == one] = old
    return found
