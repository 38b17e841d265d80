"""The fold of one partition: what becomes of points, in order, late, repeated, weighted."""

import numpy as np
import pytest

from services.aggregator.domain.in_use import SPAN_MS
from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import INCREMENT, TOTAL, Entries
from services.aggregator.domain.windows.lateness import revise
from services.aggregator.domain.windows.open_windows import rollups_of
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import SPARE_SERIES, Arrival, PartitionFold
from shared.errors import Rejected
from shared.ledger.entries import Line
from shared.model.point import Points
from shared.model.rollup import NEVER_MS, Rollups
from shared.model.window import BASE_MS

T0 = 1_732_252_800_000


def points(*rows: tuple[int, int, float], weight: list[float] | None = None) -> Points:
    """Points of (slot, milliseconds after T0, value)."""
    slot, ts, value = zip(*rows, strict=True) if rows else ((), (), ())
    return Points(
        np.array(slot, np.uint16),
        np.array(ts, np.int64) + (T0 if rows else 0),
        np.array(value, np.float64),
        None if weight is None else np.array(weight),
    )


def feed(
    fold: PartitionFold, seq: int, at_ms: int, given: Points, series: tuple[bytes, ...] = (b"a", b"b")
) -> None:
    """One message appended `at_ms` after T0."""
    fold.fold(Arrival("gateway", seq, T0 + at_ms, series if len(given) else ()), given)


def rows(rollups: Rollups | None) -> list[tuple[int, int, float, float, int]]:
    """(slot, start after T0, count, sum, revision) of each row."""
    if rollups is None:
        return []
    columns = (rollups.slot, rollups.start_ms - T0, rollups.count, rollups.sum, rollups.revision)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def closed(work: RollupWork) -> Rollups | None:
    """The base windows that closed."""
    return work.closed.get(BASE_MS)


def test_window_closes_when_the_watermark_passes_its_end() -> None:
    """A window closes with the tick that moves the watermark to its end, not a millisecond earlier."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 900, 2.0)))
    feed(fold, 2, 11_999, points())
    early = fold.checkpoint()

    feed(fold, 3, 12_000, points())
    work = fold.checkpoint()

    assert early.closed == {}
    assert [(0, 0, 1.0, 1.0, 0), (1, 0, 1.0, 2.0, 0)] == rows(closed(work))


def test_window_edges_are_half_open() -> None:
    """A point exactly on an edge belongs to the later window."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 10_000, points((0, 9_999, 1.0), (0, 10_000, 2.0)))
    feed(fold, 2, 22_000, points())

    assert [(0, 0, 1.0, 1.0, 0), (0, 10_000, 1.0, 2.0, 0)] == rows(closed(fold.checkpoint()))


def test_repeated_message_counts_once() -> None:
    """A message whose sequence number is not above the highest seen changes nothing."""
    fold = PartitionFold(bytes, len)
    for seq in (1, 2, 2, 1):
        feed(fold, seq, 1_000, points((0, 500, 1.0)))
    feed(fold, 3, 12_000, points())

    assert [(0, 0, 2.0, 2.0, 0)] == rows(closed(fold.checkpoint()))
    assert fold.duplicates == 2


def test_late_point_revises_its_row() -> None:
    """Each late message raises the revision of the rows it changes by one, and counts its late points."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 1_000, points((0, 500, 1.0)))
    feed(fold, 2, 20_000, points())
    feed(fold, 3, 20_000, points((0, 600, 4.0), (0, 700, 16.0)))
    feed(fold, 4, 20_000, points((0, 800, 64.0), (1, 800, 256.0)))
    work = fold.checkpoint()

    revised = revise(closed(work), work.late[BASE_MS])

    assert [(0, 0, 4.0, 85.0, 2), (1, 0, 1.0, 256.0, 1)] == rows(revised)
    assert [3, 1] == revised.late_count.tolist()
    assert [64.0, 256.0] == revised.last.tolist()


def test_point_older_than_the_watermark_is_on_time_while_its_window_is_open() -> None:
    """Late means that the window has closed, not merely that the point lags behind."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 9_000, points((0, 9_000, 1.0)))
    feed(fold, 2, 9_000, points((0, 100, 2.0)))
    feed(fold, 3, 12_000, points())
    work = fold.checkpoint()

    assert [(0, 0, 2.0, 3.0, 0)] == rows(closed(work))
    assert {} == work.late


def test_a_clock_that_runs_ahead_closes_nothing() -> None:
    """The watermark follows the append time when points lie ahead of it."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 59_000, 2.0)))

    assert {} == fold.checkpoint().closed
    assert T0 - 1_000 == fold.watermark_ms


def test_a_window_stays_open_for_the_disorder_bound_of_its_topic() -> None:
    """With five seconds it closes three seconds later than with two."""
    fold = PartitionFold(bytes, len, disorder_ms=5_000)
    feed(fold, 1, 1_000, points((0, 500, 1.0)))
    feed(fold, 2, 14_999, points())
    early = fold.checkpoint()

    feed(fold, 3, 15_000, points())

    assert {} == early.closed
    assert [(0, 0, 1.0, 1.0, 0)] == rows(closed(fold.checkpoint()))


def test_last_is_the_latest_by_event_time_and_the_larger_among_equals() -> None:
    """The order in which points come never matters."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 5_000, points((0, 4_000, 1.0), (0, 3_000, 5.0), (0, 4_000, 3.0), (0, 4_000, 2.0)))
    feed(fold, 2, 5_000, points((0, 3_999, 4.0)))
    feed(fold, 3, 12_000, points())
    base = closed(fold.checkpoint())

    assert base is not None
    assert [3.0] == base.last.tolist()


def test_negative_weight_retracts() -> None:
    """A retraction takes away from count, sum and sketch; extremes are bounds from then on, and say so."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 5_000, points((0, 1, 8.0), (0, 2, 99.0), weight=[2.0, -1.0]))
    feed(fold, 2, 12_000, points())
    base = closed(fold.checkpoint())

    assert base is not None
    assert (1.0, -83.0, True) == (base.count[0], base.sum[0], bool(base.estimated[0]))
    assert 8.0 * 0.98 < base.min[0] <= 8.0 <= base.max[0] < 8.0 * 1.02
    assert [2.0, -1.0] == base.weight.tolist()


def test_only_retractions_leave_no_extremes() -> None:
    """A row without a positive weight has neither minimum nor last value."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 5_000, points((0, 1, 8.0), weight=[-1.0]))
    feed(fold, 2, 12_000, points())
    base = closed(fold.checkpoint())

    assert base is not None
    assert (np.inf, NEVER_MS) == (base.min[0], base.last_ms[0])


@pytest.mark.parametrize("first_ms", [0, 100_000], ids=["within its window", "of long ago"])
def test_first_message_sets_the_watermark(first_ms: int) -> None:
    """The first message of a partition tells by itself what is late, so old points open no windows."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 100_000, points((0, 0, 1.0), (0, 100_000 - first_ms, 2.0)))
    work = fold.checkpoint()

    assert [1] * (first_ms == 0) == [len(rows) for tier, rows in work.late.items() if tier == BASE_MS]


def test_message_with_an_unusable_series_changes_nothing() -> None:
    """A series that could not be stored refuses its whole message, before anything is folded."""

    def check(packed: bytes) -> None:
        if packed == b"bad":
            raise Rejected("bad_series", "series: bad")

    fold = PartitionFold(check, len)
    with pytest.raises(Rejected):
        feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 500, 1.0)), series=(b"good", b"bad"))

    assert ({}, None, []) == (fold.seen, fold.watermark_ms, fold.checkpoint().new_series)


def test_new_series_are_handed_over_once() -> None:
    """A series goes to its table with the first checkpoint after it appeared."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 1_000, points((0, 500, 1.0)), series=(b"a",))
    first = fold.checkpoint().new_series
    feed(fold, 2, 1_000, points((0, 500, 1.0), (1, 500, 1.0)), series=(b"b", b"a"))

    assert ([b"a"], [b"b"]) == (first, fold.checkpoint().new_series)


def test_series_are_handed_over_again_once_in_each_span_in_which_they_have_points() -> None:
    """So their table knows what is in use; one that is silent is not handed over."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 500, 1.0)))
    feed(fold, 2, SPAN_MS, points())
    fold.checkpoint()
    for seq in (3, 4):
        at_ms = SPAN_MS + 1_000 * seq
        feed(fold, seq, at_ms, points((0, at_ms, 1.0), (1, at_ms, 1.0)), series=(b"a", b"c"))

    assert [b"c", b"a"] == fold.checkpoint().new_series


def test_what_is_taken_back_whole_leaves_an_empty_row() -> None:
    """A window that something came to has a row, with a count of 0, no extremes and an empty sketch."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 5_000, points((0, 1, 8.0), (0, 2, 8.0), weight=[2.0, -2.0]))
    feed(fold, 2, 12_000, points())
    base = closed(fold.checkpoint())

    assert base is not None
    assert (0.0, 0.0, np.inf, -np.inf, 8.0, 0) == (
        base.count[0], base.sum[0], base.min[0], base.max[0], base.last[0], len(base.bucket)
    )  # fmt: skip


def test_strings_are_counted_once() -> None:
    """A repeated string changes nothing of the distinct count, in whichever message it comes."""
    fold = PartitionFold(bytes, len)
    given = points((0, 1, 8.0), (0, 2, 8.0), (1, 3, 8.0))
    given.distinct = np.array([1 << 63, 1 << 63, 0], np.uint64)
    for seq in (1, 2):
        feed(fold, seq, 5_000, given)
    feed(fold, 3, 12_000, points())
    base = closed(fold.checkpoint())

    assert base is not None
    assert ([0, 1, 1], [1 << 11], [53]) == (
        base.distinct_at.tolist(), base.register.tolist(), base.rank.tolist()
    )  # fmt: skip


def test_finer_windows_close_into_coarser_ones() -> None:
    """A minute closes with its last ten seconds, and holds what these hold."""
    fold = PartitionFold(bytes, len)
    start_ms = -T0 % 60_000
    for window in range(6):
        at_ms = start_ms + 10_000 * window
        feed(fold, window, at_ms, points((0, at_ms, 2.0**window)))
    feed(fold, 6, start_ms + 62_000, points())
    work = fold.checkpoint()

    assert [(0, start_ms, 6.0, 63.0, 0)] == rows(work.closed[60_000])
    assert {} == work.late


def test_late_point_goes_to_the_open_coarse_window_and_to_the_closed_finer_row() -> None:
    """A tier that is closed is revised, the first that is open takes the point, and only that row is kept anew."""
    fold = PartitionFold(bytes, len)
    start_ms = -T0 % 60_000
    feed(fold, 1, start_ms + 1_000, points((0, start_ms, 1.0), (1, start_ms, 1.0)))
    feed(fold, 2, start_ms + 20_000, points())
    whole = fold.checkpoint().whole
    feed(fold, 3, start_ms + 20_000, points((0, start_ms + 1, 2.0)))
    work = fold.checkpoint()
    feed(fold, 4, start_ms + 70_000, points())

    assert [(0, start_ms, 1.0, 2.0, 1)] == rows(work.late[BASE_MS])
    assert [(0, start_ms, 1.0, 1.0, 0), (1, start_ms, 1.0, 1.0, 0)] == rows(whole[60_000])
    assert ([(0, start_ms, 2.0, 3.0, 0)], {}) == (rows(work.amended[60_000]), work.whole)
    assert [(0, start_ms, 2.0, 3.0, 0), (1, start_ms, 1.0, 1.0, 0)] == rows(fold.checkpoint().closed[60_000])


def test_the_finest_tier_forgets_what_is_older_than_six_hours() -> None:
    """A point of long ago revises the tiers that are kept for longer, and opens nothing."""
    fold = PartitionFold(bytes, len)
    feed(fold, 1, 7 * 3_600_000, points())
    feed(fold, 2, 7 * 3_600_000, points((0, 0, 1.0)))
    work = fold.checkpoint()

    assert [60_000, 900_000] == sorted(work.late)
    assert (None, {}) == (work.open, work.closed)


def test_a_row_of_running_totals_holds_increments_and_the_latest_total() -> None:
    """Increments add without being last values, totals are last values that add nothing; extremes are bounds."""
    cells = Cells(1)
    entries = Entries(
        np.zeros(3, np.intp), np.array([1, 2, 3]), np.array([70.0, 5.0, 4.0]), np.array([1.0, 1.0, -1.0]),
        role=np.array([TOTAL, INCREMENT, INCREMENT], np.uint8),
    )  # fmt: skip
    cells.fold(entries.slot, entries)
    row = rollups_of(0, cells, 0)

    assert (0.0, 1.0, 70.0, 1, True) == (
        row.count[0], row.sum[0], row.last[0], row.last_ms[0], bool(row.estimated[0])
    )  # fmt: skip
    counted = entries.points()
    assert counted is not None
    assert [True, False, False] == counted.tolist()


def test_series_that_no_window_holds_are_forgotten() -> None:
    """Slots are given anew when too many stand for nothing; what is open keeps its figures in every tier."""
    fold = PartitionFold(bytes, len)
    start_ms = -T0 % 900_000
    many = tuple(b"s%d" % i for i in range(SPARE_SERIES + 3))
    feed(fold, 1, start_ms, points((len(many) - 1, start_ms, 1.0)), many)
    feed(fold, 2, start_ms + 20_000, points())
    feed(fold, 3, start_ms + 20_000, points((len(many) - 1, start_ms + 1, 2.0)), many)
    fold.checkpoint()
    feed(fold, 4, start_ms + 60_000, points((0, start_ms + 60_000, 4.0)), many[-1:])
    feed(fold, 5, start_ms + 902_000, points())
    work = fold.checkpoint()

    assert [many[-1]] == work.series
    assert [(0, start_ms, 3.0, 7.0, 0)] == rows(work.closed[900_000])


def test_rows_of_a_known_batch_change_nothing() -> None:
    """They add to no window and to no ledger but as duplicates or conflicts; their neighbours count."""
    fold = PartitionFold(bytes, len)

    def feed_batches(seq: int, given: Points, *parts: tuple[int, int, int, int]) -> None:
        batches = [(bytes([name]) * 16, body, first, count) for name, body, first, count in parts]
        entries = [Line(1, "received", len(given))]
        fold.fold(Arrival("gateway", seq, T0 + 1_000, (b"a", b"b"), entries, batches), given)

    feed_batches(1, points((0, 500, 1.0), (1, 500, 2.0)), (1, 7, 0, 1), (2, 7, 1, 1))
    feed_batches(2, points((0, 500, 1.0), (1, 500, 4.0), (1, 500, 8.0)), (1, 7, 0, 1), (2, 8, 1, 1))
    work = fold.checkpoint()

    assert [(0, 0, 1.0, 1.0, 0), (1, 0, 2.0, 10.0, 0)] == rows(work.open)
    assert {"received": 5, "counted": 3, "duplicate": 1, "conflict": 1} == {
        entry.outcome: count for entry, count in work.ledger.items()
    }
    assert [bytes([1]) * 16, bytes([2]) * 16] == work.batches.ids
    assert [] == fold.checkpoint().batches.ids


def test_ids_of_batches_wait_for_a_commit() -> None:
    """So that their number is bounded by that of all that waits."""
    fold = PartitionFold(bytes, len)
    fold.fold(Arrival("gateway", 1, T0, (b"a",), None, [(bytes(16), 7, 0, 1)]), points((0, 500, 1.0)))
    waiting = fold.waiting_bytes

    fold.checkpoint()

    assert (True, 0) == (waiting > 0, fold.waiting_bytes)
