"""Running totals become increments: in order and out of it, reset, begun anew, forgotten, crowded."""

from dataclasses import replace

import numpy as np
import pytest

from services.aggregator.adapters import totals
from services.aggregator.domain.totals.history import NOTHING
from services.aggregator.domain.totals.increments import (
    CROWDED_SILENT_MS,
    HORIZON_MS,
    SILENT_MS,
    Judged,
    RunningTotals,
)
from services.aggregator.domain.totals.rules import YOUNG_MS
from services.aggregator.domain.windows.entries import INCREMENT, SEEN, TOTAL, Entries
from shared.wire.versions import NEW, OLD

T0 = 1_732_252_800_000

Total = tuple[int, int, float] | tuple[int, int, float, int]
"""Slot, milliseconds after T0, total, and start after T0; unknown if it is left out."""

Bucket = tuple[int, float, float]
"""Milliseconds after T0, middle and total."""


def judged(kept: RunningTotals, *rows: Total, watermark: int = 0) -> Judged:
    """One message of cumulative series, when the watermark is so long after T0."""
    slot, ts, total, start = zip(*((*row, -T0)[:4] for row in rows), strict=True)
    points = Entries(np.array(slot), np.array(ts) + T0, np.array(total, float), None, np.array(start) + T0)
    return kept.judge(points, np.zeros(len(rows), np.bool_), T0 + watermark)


def buckets(kept: RunningTotals, *rows: Bucket) -> Judged:
    """One message of one histogram."""
    ts, middle, total = zip(*rows, strict=True)
    zeros = np.zeros(len(rows), np.int64)
    points = Entries(zeros, np.array(ts) + T0, np.array(middle, float), np.array(total, float), zeros)
    return kept.judge(points, np.ones(len(rows), np.bool_), T0)


def added(judged: Judged) -> list[tuple[int, int, float, float]]:
    """(slot, milliseconds after T0, value, weight) of each increment."""
    rows = judged.entries.rows(np.flatnonzero(judged.entries.role == INCREMENT))
    assert rows.weight is not None
    columns = (rows.slot, rows.ts_ms - T0, rows.value, rows.weight)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def roles(judged: Judged) -> list[int]:
    """What each row does."""
    role = judged.entries.role
    return [] if role is None else list(map(int, role))


def restored(kept: RunningTotals, version: int = NEW) -> RunningTotals:
    """A successor that starts from the stored bytes."""
    whole, stored = kept.checkpoint()
    assert stored is not None
    series, found = totals.unpacked(totals.packed([bytes([slot]) for slot in range(9)], stored, version))
    slots = np.array([packed[0] for packed in series])
    successor = RunningTotals()
    successor.restore(
        NOTHING if whole is None else totals.unpacked_whole(totals.packed_whole(whole)),
        replace(found, of_stream=found.of_stream | {"slot": slots[found.of_stream["slot"]]}),
    )
    return successor


def test_the_first_total_of_a_series_counts_nothing() -> None:
    """Nobody saw what it had counted before; it came all the same."""
    found = judged(RunningTotals(), (0, 0, 7.0), (1, 5, 9.0))

    assert [] == added(found)
    assert [TOTAL, TOTAL] == roles(found)
    assert [7.0, 9.0] == found.entries.value.tolist()


def test_a_total_adds_what_it_has_grown_by() -> None:
    """From message to message and within one, each series for itself; no growth is an increment of zero."""
    kept = RunningTotals()
    judged(kept, (0, 0, 7.0), (1, 0, 100.0))

    found = added(judged(kept, (0, 10, 9.0), (1, 10, 101.0), (0, 20, 9.5), (1, 20, 101.0)))

    assert [(0, 10, 2.0, 1.0), (0, 20, 0.5, 1.0), (1, 10, 1.0, 1.0), (1, 20, 0.0, 1.0)] == found


def test_a_smaller_total_is_a_reset_and_counts_in_full() -> None:
    """The next one counts from there."""
    kept = RunningTotals()
    judged(kept, (0, 0, 7.0))

    assert [(0, 10, 3.0, 1.0), (0, 20, 1.0, 1.0)] == added(judged(kept, (0, 10, 3.0), (0, 20, 4.0)))


def test_a_total_that_comes_late_takes_back_what_its_successor_had_added() -> None:
    """The successor now counts from it."""
    kept = RunningTotals()
    judged(kept, (0, 0, 10.0), (0, 20, 16.0))

    assert [(0, 20, 6.0, -1.0), (0, 10, 2.0, 1.0), (0, 20, 4.0, 1.0)] == added(judged(kept, (0, 10, 12.0)))


def test_a_late_reset_counts_in_full_and_its_successor_anew() -> None:
    """A small total between two large ones is one reset, and the growth after it."""
    kept = RunningTotals()
    judged(kept, (0, 0, 10.0), (0, 20, 16.0))

    assert [(0, 20, 6.0, -1.0), (0, 10, 1.0, 1.0), (0, 20, 15.0, 1.0)] == added(judged(kept, (0, 10, 1.0)))


def test_a_total_before_the_first_makes_that_one_count() -> None:
    """The first that is known counts nothing, whichever it is."""
    kept = RunningTotals()
    judged(kept, (0, 10, 12.0))

    assert [(0, 10, 2.0, 1.0)] == added(judged(kept, (0, 0, 10.0)))


def test_a_start_between_two_others_makes_one_sequence_of_them() -> None:
    """Each was 12 s from the other; what the later one had counted in full is taken back but for its growth."""
    kept = RunningTotals()
    judged(kept, (0, 100_000, 12.0, 0), (0, 110_000, 13.0, 12_000))

    found = added(judged(kept, (0, 105_000, 12.5, 6_000)))

    assert {(0, 110_000, 13.0, -1.0), (0, 105_000, 0.5, 1.0), (0, 110_000, 0.5, 1.0)} == set(found)


def test_of_two_totals_of_one_instant_the_larger_stands() -> None:
    """In whichever order they come; the same one again changes nothing."""
    kept = RunningTotals()
    judged(kept, (0, 0, 10.0), (0, 10, 12.0), (0, 20, 16.0))

    assert [] == added(judged(kept, (0, 10, 12.0), (0, 10, 11.0)))
    assert [(0, 10, 2.0, -1.0), (0, 20, 4.0, -1.0), (0, 10, 3.0, 1.0), (0, 20, 3.0, 1.0)] == added(
        judged(kept, (0, 10, 13.0))
    )


@pytest.mark.parametrize(("age", "stale"), [(HORIZON_MS, False), (HORIZON_MS + 1, True)])
def test_a_total_beyond_the_horizon_is_left_out(age: int, stale: bool) -> None:
    """15 minutes behind the watermark it still counts, a millisecond more and it does not."""
    kept = RunningTotals()
    watermark = 2 * HORIZON_MS
    judged(kept, (0, 0, 5.0))

    found = judged(kept, (0, watermark - age, 9.0), (0, watermark, 10.0), watermark=watermark)

    assert [stale, False] == found.stale.tolist()
    assert [TOTAL] * (1 if stale else 2) == roles(found)[: -1 if stale else -2]
    increments = [4.0, 1.0] if not stale else [5.0]
    assert increments == [value for _, _, value, _ in added(found)]


def test_forgetting_keeps_what_late_totals_are_compared_with() -> None:
    """Within the horizon they count as if nothing had been forgotten."""
    watermark = 2 * HORIZON_MS
    whole, pruned = RunningTotals(), RunningTotals()
    for kept in (whole, pruned):
        judged(kept, *((slot, at, at / 64) for slot in range(3) for at in range(0, watermark, 10_000)))
    pruned.forget(T0 + watermark)
    late = [(1, watermark - HORIZON_MS, 3.0), (2, watermark - HORIZON_MS + 5, 1e6), (0, watermark, 1e6)]

    assert added(judged(whole, *late, watermark=watermark)) == added(
        judged(pruned, *late, watermark=watermark)
    )
    assert pruned.size < whole.size / 2 + 10


def test_a_start_that_was_silent_for_a_day_is_forgotten() -> None:
    """Its next total is a first one again, though the series went on under another start."""
    kept = RunningTotals()
    judged(kept, (0, 0, 5.0, -60_000), (1, 0, 5.0), (0, 110, 7.0, 100))
    judged(kept, (0, SILENT_MS, 9.0, -60_000), watermark=SILENT_MS)
    kept.forget(T0 + SILENT_MS + 120)

    found = judged(kept, (0, SILENT_MS + 120, 9.0, 100), (1, SILENT_MS + 120, 9.0), watermark=SILENT_MS)

    assert ([], 3) == (added(found), kept.starts)
    assert [(0, SILENT_MS + 130, 2.0, 1.0), (0, SILENT_MS + 130, 1.0, 1.0)] == added(
        judged(
            kept, (0, SILENT_MS + 130, 11.0, -60_000), (0, SILENT_MS + 130, 10.0, 100), watermark=SILENT_MS
        )
    )


@pytest.mark.parametrize(("max_starts", "silent_ms"), [(9, CROWDED_SILENT_MS), (3, YOUNG_MS + HORIZON_MS)])
def test_a_start_that_only_says_when_it_began_is_forgotten_sooner(max_starts: int, silent_ms: int) -> None:
    """There may be one for each total, and nothing is ever counted from most of them."""
    kept = RunningTotals(max_starts=max_starts)
    judged(kept, (0, 0, 5.0, 0), (1, 0, 5.0))

    kept.forget(T0 + silent_ms)
    kept_until = kept.starts
    kept.forget(T0 + silent_ms + 1)

    assert (2, 1) == (kept_until, kept.starts)


def test_each_bucket_of_a_histogram_runs_for_itself() -> None:
    """Its growth is a weight at its middle; buckets that did not grow add nothing, new ones begin."""
    kept = RunningTotals()
    first = buckets(kept, (0, 0.5, 3.0), (0, 1.5, 0.0))

    found = buckets(kept, (10, 0.5, 3.0), (10, 1.5, 4.0), (10, 2.5, 8.0))

    assert [SEEN, SEEN] == roles(first)
    assert ([], [(0, 10, 1.5, 4.0)]) == (added(first), added(found))
    assert [(0, 20, 0.5, 1.0), (0, 20, 2.5, 1.0)] == added(buckets(kept, (20, 0.5, 4.0), (20, 2.5, 9.0)))


def test_a_late_histogram_takes_back_weights() -> None:
    """What its successor's buckets had grown by is divided between the two."""
    kept = RunningTotals()
    buckets(kept, (0, 0.5, 3.0), (20, 0.5, 9.0))

    assert [(0, 20, 0.5, -6.0), (0, 10, 0.5, 2.0), (0, 20, 0.5, 4.0)] == added(buckets(kept, (10, 0.5, 5.0)))


@pytest.mark.parametrize("starts", [2, 3, 4])
def test_starts_beyond_the_bound_count_nothing(starts: int) -> None:
    """Those that are remembered go on as before; what came of the others is a last value."""
    kept = RunningTotals(max_starts=3, max_totals=100)
    judged(kept, *((slot, 0, 5.0) for slot in range(starts)))

    found = judged(kept, *((slot, 10, 6.0) for slot in range(starts)))

    assert [(slot, 10, 1.0, 1.0) for slot in range(min(3, starts))] == added(found)
    assert (2 * max(0, starts - 3), min(3, starts)) == (kept.evicted, kept.starts)
    assert [TOTAL] * starts == roles(found)[:starts]


def test_while_starts_are_crowded_those_silent_for_an_hour_make_room() -> None:
    """More than half of the bound is crowded."""
    kept = RunningTotals(max_starts=3, max_totals=100)
    judged(kept, (0, 0, 5.0), (1, CROWDED_SILENT_MS, 5.0))

    kept.forget(T0 + CROWDED_SILENT_MS + 1)

    assert 1 == kept.starts


@pytest.mark.parametrize("count", [7, 8, 9])
def test_beyond_the_bound_of_totals_the_horizon_comes_nearer(count: int) -> None:
    """What is in order counts as before; what comes late is stale sooner."""
    kept = RunningTotals(max_starts=2, max_totals=8)
    judged(kept, *((0, 10 * at, float(at)) for at in range(count)))

    found = judged(kept, (0, 10, 1.0), (0, 1_000, 1_000.0))

    assert [count > 8, False] == found.stale.tolist()
    assert [(0, 1_000, 1_001.0 - count, 1.0)] == added(found)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_totals_survive_a_restart(version: int) -> None:
    """Late, repeated and new ones count as without it, whatever slots their series have now."""
    kept = RunningTotals()
    judged(kept, (1, 0, 10.0), (2, 10, 1.0, -60_000), (2, 11, 1.5, -50_000), (1, 20, 16.0))
    buckets(kept, (0, 0.5, 3.0))
    successor = restored(kept, version)

    for one in (kept, successor):
        assert [(0, 10, 0.5, 2.0)] == added(buckets(one, (10, 0.5, 5.0)))
        found = added(judged(one, (1, 10, 12.0), (2, 12, 3.0, -55_000), (2, 15, 3.0, 14), (1, 30, 16.0)))
        assert [(1, 20, 6.0, -1.0), (1, 10, 2.0, 1.0), (1, 20, 4.0, 1.0)] == found[:3]
        assert {(1, 30, 0.0, 1.0), (2, 12, 1.5, 1.0), (2, 15, 3.0, 1.0)} == set(found[3:])


def test_totals_are_kept_whole_when_some_were_forgotten() -> None:
    """In between only those that came since are stored anew."""
    kept = RunningTotals()
    judged(kept, (0, 0, 1.0), (0, 10, 2.0))
    first = kept.checkpoint()
    kept.forget(T0 + 2 * HORIZON_MS)
    judged(kept, (0, 2 * HORIZON_MS, 3.0))
    second = kept.checkpoint()
    judged(kept, (0, 2 * HORIZON_MS + 10, 4.0))
    third = kept.checkpoint()

    assert [None, [2.0, 3.0], None] == [whole and whole.total.tolist() for whole, _ in (first, second, third)]
    assert [[1.0, 2.0], [], [4.0]] == [
        since.totals.total.tolist() for _, since in (first, second, third) if since
    ]


def test_what_others_kept_whole_is_not_taken_for_ones_own() -> None:
    """Such as before the offsets were set back: a process begins anew though totals lie there."""
    old, new = RunningTotals(), RunningTotals()
    judged(old, (0, 0, 1.0), (0, 10, 2.0))
    old.forget(T0)
    judged(new, (0, 5, 7.0))
    (left, _), (_, since) = old.checkpoint(), new.checkpoint()
    successor = RunningTotals()
    assert left is not None
    assert since is not None
    successor.restore(left, since)

    assert (1, [(0, 20, 1.0, 1.0)]) == (successor.size, added(judged(successor, (0, 20, 8.0))))


def test_nothing_is_stored_of_totals_that_are_all_forgotten() -> None:
    """But that there are none."""
    kept = RunningTotals()
    judged(kept, (0, 0, 1.0))
    kept.forget(T0 + 2 * SILENT_MS)
    whole, since = kept.checkpoint()

    assert whole is not None
    assert ([], None) == (whole.total.tolist(), since)
    assert (None, None) == kept.checkpoint()


def test_series_may_be_renumbered() -> None:
    """Their totals go with them."""
    kept = RunningTotals()
    judged(kept, (3, 0, 10.0), (5, 0, 20.0))

    kept.keep(np.array([1, 3, 5]))

    assert [1, 2] == kept.slots().tolist()
    assert [(1, 10, 1.0, 1.0), (2, 10, 2.0, 1.0)] == added(judged(kept, (1, 10, 11.0), (2, 10, 22.0)))


@pytest.mark.parametrize("version", [OLD, NEW])
def test_several_writers_are_known_after_a_restart(version: int) -> None:
    """Those without a start, and those whose starts are near; version 4 has them noticed anew."""
    kept = RunningTotals()
    for at in range(8):
        judged(
            kept,
            (0, at * 10, [800.0, 501.0][at % 2] + at),
            (1, at * 10, [90.0, 50.0][at % 2] + at, at % 2 - 900),
        )
    successor = restored(kept, version)

    for one in (kept, successor):
        found = judged(one, (0, 80, 808.0), (0, 90, 509.0), (1, 80, 98.0, -900), (1, 90, 59.0, -899))
        assert [(1, 80, 2.0, 1.0), (1, 90, 2.0, 1.0)] == added(found)
        assert [True, True, False, False] == found.contested.tolist()
