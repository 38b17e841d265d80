"""Running totals over a change of version: nothing counts twice when streams get ids, or lose them."""

from typing import NamedTuple

import numpy as np

from services.aggregator.domain.totals.conversion import without_ids
from services.aggregator.domain.totals.history import NOTHING, Totals
from services.aggregator.domain.totals.increments import Kept, RunningTotals
from services.aggregator.domain.windows.entries import INCREMENT, Entries
from shared.wire.versions import NEW, OLD
from tests.support.restarts import restarted_totals

T0 = 1_732_252_800_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Total(NamedTuple):
    """A total of one series: milliseconds after T0, the total, its start after T0, its stream id."""

    at_ms: int
    total: float
    start_ms: int = -MINUTE_MS
    stream: int = 0


def added(kept: RunningTotals, *rows: Total) -> float:
    """What one message adds."""
    at_ms, total, start_ms, stream = (np.array(column) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows), np.int64)
    ids = stream.astype(np.uint64)
    points = Entries(zeros, at_ms + T0, total, None, start_ms + T0, stream=ids if ids.any() else None)
    entries = kept.judge(points, np.zeros(len(rows), np.bool_), T0).entries
    found = entries.rows(np.flatnonzero(entries.role == INCREMENT))
    weight = np.ones(len(found)) if found.weight is None else found.weight
    return float((found.value * weight).sum())


def stored(kept: RunningTotals) -> tuple[Kept, Totals]:
    """What a checkpoint stores, and what was kept whole."""
    whole, found = kept.checkpoint()
    assert found is not None
    return found, NOTHING if whole is None else whole


def test_a_stream_that_gets_an_id_counts_nothing_twice() -> None:
    """Version 4 had counted it without; its next total adds its growth, in any restart from then on."""
    kept = RunningTotals()
    assert 30.0 == added(kept, Total(0, 30.0))

    kept = restarted_totals(*stored(kept), 1, OLD)
    assert 0.0 == added(kept, Total(10_000, 34.0, stream=7))
    kept = restarted_totals(*stored(kept), 1, NEW)

    assert 3.0 == added(kept, Total(20_000, 37.0, stream=7))
    assert 0.0 == added(kept, Total(20_000, 12.0, stream=8))


def test_a_process_that_begins_after_streams_got_ids_counts_in_full() -> None:
    """And so does one without an id."""
    kept = RunningTotals()
    added(kept, Total(0, 30.0))
    kept = restarted_totals(*stored(kept), 1, OLD)

    assert 5.0 == added(kept, Total(20_000, 5.0, 1_000, 7))
    assert 6.0 == added(kept, Total(20_000, 6.0, 12_000))


def test_a_version_that_tells_no_streams_apart_goes_on_with_each_start() -> None:
    """Rolled back: streams of one series whose starts differ lose nothing and count nothing twice."""
    kept = RunningTotals()
    rows = [Total(0, 30.0, stream=7), Total(0, 50.0, -2_000, 8), Total(0, 9.0, -HOUR_MS, 9), Total(0, 4.0)]
    assert 84.0 == added(kept, *rows)

    kept = restarted_totals(*without_ids(*stored(kept)), 1, OLD)

    assert 1.0 == added(kept, Total(10_000, 31.0))
    assert 2.0 == added(kept, Total(10_000, 52.0, -2_000))
    assert 3.0 == added(kept, Total(10_000, 12.0, -HOUR_MS))


def test_the_totals_that_were_kept_whole_lose_their_ids_as_well() -> None:
    """They are to be kept whole again, since starts have other numbers; late totals find what they come between."""
    kept = RunningTotals()
    for at in range(20):
        added(kept, Total(at * 10_000, float(at), stream=7), Total(at * 10_000, 100.0 + at, -5_000, 8))
    kept.forget(T0)
    found, whole = stored(kept)

    lost, nothing = without_ids(found, whole)
    kept = restarted_totals(lost, nothing, 1, OLD)

    assert (40, NOTHING, False) == (len(lost.totals.key), nothing, lost.continued)
    assert 0.0 == added(kept, Total(185_000, 18.5), Total(185_000, 118.5, -5_000))
    assert 5.0 == added(kept, Total(200_000, 22.0), Total(200_000, 121.0, -5_000))


def test_totals_without_ids_stay_as_they_are() -> None:
    """The usual case costs nothing."""
    kept = RunningTotals()
    added(kept, Total(0, 30.0))
    found, whole = stored(kept)

    assert (found, whole) == without_ids(found, whole)
