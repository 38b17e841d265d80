"""What each total of a sequence adds, and whether one writer sent them. Milliseconds UTC.

The rules stand in docs/RUNNING_TOTALS.md. A sequence is what one writer says of one stream: totals whose starts lie
within `WAVER_MS` of each other, in the order of their event times.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NEVER_MS, ALWAYS_MS = np.iinfo(np.int64).min, np.iinfo(np.int64).max

WAVER_MS = 10_000
"""How far a start may waver from total to total: "now less uptime" moves by seconds, a clock that is set by some."""

YOUNG_MS = 20 * 60_000
"""The first total of a sequence counts in full up to this age: all totals since its start are remembered for sure.

It exceeds the horizon and what a point may lie ahead of the watermark, so that no late total changes the answer."""

CONTESTED_MS = 15 * 60_000
"""How long totals count nothing after several writers were seen in their sequence."""

MOST_WRITERS = 4
"""Most writers of one sequence that are distinguished from resets."""


_NOWHERE = np.zeros(0, np.int64)


class Ordered(NamedTuple):
    """Totals by sequence, event time and start."""

    sequence: Ints
    ts_ms: Ints
    start_ms: Ints
    """0 where unknown."""
    total: Floats

    def rows(self, index: Ints | Mask) -> "Ordered":
        """These rows."""
        return Ordered(self.sequence[index], self.ts_ms[index], self.start_ms[index], self.total[index])


class Before(NamedTuple):
    """The total before each of a sequence; NaN where there is none."""

    ts_ms: Ints
    start_ms: Ints
    total: Floats

    def rows(self, index: Ints | Mask) -> "Before":
        """These rows."""
        return Before(self.ts_ms[index], self.start_ms[index], self.total[index])


def before(now: Ordered) -> Before:
    """The totals before those of whole sequences."""
    first = firsts(now.sequence)
    shifted = Before(_shifted(now.ts_ms), _shifted(now.start_ms), _shifted(now.total))
    shifted.total[first] = np.nan
    return shifted


def _shifted(column: NDArray[Any]) -> NDArray[Any]:
    """The one before each; before the first stands anything."""
    shifted = np.empty_like(column)
    shifted[1:] = column[:-1]
    return shifted


def firsts(sequence: Ints) -> Mask:
    """Which are the first of their sequences."""
    first = np.ones(len(sequence), np.bool_)
    first[1:] = sequence[1:] != sequence[:-1]
    return first


def added(now: Ordered, previous: Before, whole: Mask) -> Floats:
    """What each total adds, given whether the first of its sequence counts in full; NaN: nothing."""
    unseen = np.isnan(previous.total)
    from_zero = fell(now, previous) | begun_anew(now, previous) | (unseen & whole)
    grown = np.where(from_zero, now.total, now.total - previous.total)
    # It counts since now: it says nothing but what the next ones are to be compared with.
    grown[now.start_ms == now.ts_ms] = np.nan
    return grown


def fell(now: Ordered, previous: Before) -> Mask:
    """Which are smaller than the one before."""
    return now.total < previous.total


def begun_anew(now: Ordered, previous: Before) -> Mask:
    """Which have a start that is not before the total before: a writer that began anew."""
    other = (now.start_ms != previous.start_ms) & ~np.isnan(previous.total)
    return np.asarray(other & (now.start_ms >= previous.ts_ms))


def counts_whole(start_ms: Ints, ts_ms: Ints, begun_ms: Ints) -> Mask:
    """Whether the first total of a sequence counts in full: its start is known, and nothing since then was counted."""
    return (start_ms > 0) & ((ts_ms - start_ms <= YOUNG_MS) | (start_ms > begun_ms))


def side_by_side(now: Ordered) -> Ints:
    """Sequences whose starts are those of several writers.

    Twice, one of them goes on from more than another said in between; or they say different totals of one instant.
    """
    other = (now.sequence[1:] == now.sequence[:-1]) & (now.start_ms[1:] != now.start_ms[:-1])
    if not other.any():
        return _NOWHERE
    rows = np.flatnonzero(np.isin(now.sequence, now.sequence[1:][other]))
    now = now.rows(rows)
    order = np.lexsort((now.ts_ms, now.start_ms, now.sequence))
    same = (now.sequence[order[1:]] == now.sequence[order[:-1]]) & (
        now.start_ms[order[1:]] == now.start_ms[order[:-1]]
    )
    own, later = order[:-1][same], order[1:][same]
    apart = later > own + 1
    own, later = own[apart], later[apart]
    # Others make a dip no smaller: the lowest of them counts.
    between = np.minimum.reduceat(now.total, np.column_stack((own + 1, later)).ravel())[::2]
    again = later[(between < now.total[own]) & (now.total[own] <= now.total[later])]
    repeated = np.flatnonzero(
        (now.sequence[again[1:]] == now.sequence[again[:-1]])
        & (now.start_ms[again[1:]] == now.start_ms[again[:-1]])
    )
    at_once = (
        (now.sequence[1:] == now.sequence[:-1])
        & (now.ts_ms[1:] == now.ts_ms[:-1])
        & (now.total[1:] != now.total[:-1])
        & (now.start_ms[1:] < now.ts_ms[1:])
    )
    return np.union1d(now.sequence[again[repeated]], now.sequence[1:][at_once])


def suspects(now: Ordered) -> Ints:
    """Sequences that several writers may have sent: they fell twice, or where the start is another."""
    previous = before(now)
    falls = fell(now, previous) & ~begun_anew(now, previous)
    fallen = now.sequence[falls]
    often = fallen[1:][fallen[1:] == fallen[:-1]]
    return np.union1d(often, now.sequence[falls & (now.start_ms != previous.start_ms)])


class Contest(NamedTuple):
    """Totals in a row that tell of several writers, by their places in a sequence; all of them add nothing."""

    first: Ints
    last: Ints


_NO_CONTEST = Contest(_NOWHERE, _NOWHERE)


def contests(now: Ordered) -> Contest:
    """Where totals of one start tell of several writers.

    Each goes on from one some places before it, all of them together less far than they fall in between.
    """
    previous = before(now)
    falls = fell(now, previous) & (now.start_ms == previous.start_ms)
    fallen = now.sequence[falls]
    # One fall may be a reset, whatever was said before it.
    often = fallen[1:][fallen[1:] == fallen[:-1]]
    if not len(often):
        return _NO_CONTEST
    rows = np.flatnonzero(np.isin(now.sequence, often))
    drop = np.where(falls, previous.total - now.total, 0.0)[rows]
    found = [_contest(now.rows(rows), drop, writers) for writers in range(2, MOST_WRITERS + 1)]
    return Contest(*(rows[np.concatenate(places)] for places in zip(*found, strict=True)))


def _contest(now: Ordered, drop: Floats, writers: int) -> Contest:
    """Where totals tell of so many writers, given by how much each falls."""
    if len(drop) < 2 * writers:
        return _NO_CONTEST
    grown = now.total[writers:] - now.total[:-writers]
    goes_on = (now.sequence[writers:] == now.sequence[:-writers]) & (grown >= 0)
    drops = _summed(drop[writers:], writers)
    growth = _summed(np.where(goes_on, grown, 0.0), writers)
    first = np.flatnonzero((_summed(goes_on, writers) == writers) & (growth < drops))
    last = first + 2 * writers - 1
    falls = np.append(0, np.cumsum(drop > 0))
    several = falls[last + 1] - falls[first + 1] >= 2
    return Contest(first[several], last[several])


def _summed(column: NDArray[Any], length: int) -> NDArray[Any]:
    """The sum of so many in a row, from each place on."""
    return np.asarray(sum(column[at : len(column) - length + 1 + at] for at in range(length)))


def contested(now: Ordered, found: Contest, until_ms: Ints) -> Mask:
    """Which totals count nothing, since several writers sent them; `until_ms` is what forgotten ones said."""
    rows = len(now.sequence)
    if not len(found.first):
        return np.asarray(now.ts_ms <= until_ms)
    inside = np.zeros(rows + 1, np.int64)
    np.add.at(inside, found.first, 1)
    np.add.at(inside, found.last + 1, -1)
    latest = np.full(rows, -1)
    latest[found.last] = found.last
    latest = np.maximum.accumulate(latest)
    after = (
        (latest >= 0)
        & (now.sequence[latest] == now.sequence)
        & (now.ts_ms <= now.ts_ms[latest] + CONTESTED_MS)
    )
    return np.asarray((now.ts_ms <= until_ms) | (inside[:-1].cumsum() > 0) | after)
