"""The fold of one partition: what becomes of points, in order, late, repeated, weighted."""

import numpy as np
import pytest

from services.aggregator.domain.cells import NEVER_MS
from services.aggregator.domain.lateness import revise
from services.aggregator.service import Arrival, PartitionFold
from shared.errors import Rejected
from shared.model.point import Points
from shared.model.rollup import Rollups

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
    """One message received `at_ms` after T0."""
    fold.fold(Arrival("gateway", seq, T0 + at_ms, series if len(given) else ()), given)


def rows(rollups: Rollups | None) -> list[tuple[int, int, float, float, int]]:
    """(slot, start after T0, count, sum, revision) of each row."""
    if rollups is None:
        return []
    columns = (rollups.slot, rollups.start_ms - T0, rollups.count, rollups.sum, rollups.revision)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def test_window_closes_when_the_watermark_passes_its_end() -> None:
    """A window closes with the tick that moves the watermark to its end, not a millisecond earlier."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 900, 2.0)))
    feed(fold, 2, 11_999, points())
    early = fold.checkpoint()

    feed(fold, 3, 12_000, points())
    work = fold.checkpoint()

    assert early.closed is None
    assert [(0, 0, 1.0, 1.0, 0), (1, 0, 1.0, 2.0, 0)] == rows(work.closed)


def test_window_edges_are_half_open() -> None:
    """A point exactly on an edge belongs to the later window."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 10_000, points((0, 9_999, 1.0), (0, 10_000, 2.0)))
    feed(fold, 2, 22_000, points())

    assert [(0, 0, 1.0, 1.0, 0), (0, 10_000, 1.0, 2.0, 0)] == rows(fold.checkpoint().closed)


def test_repeated_message_counts_once() -> None:
    """A message whose sequence number is not above the highest seen changes nothing."""
    fold = PartitionFold(bytes)
    for seq in (1, 2, 2, 1):
        feed(fold, seq, 1_000, points((0, 500, 1.0)))
    feed(fold, 3, 12_000, points())

    assert [(0, 0, 2.0, 2.0, 0)] == rows(fold.checkpoint().closed)
    assert fold.duplicates == 2


def test_late_point_revises_its_row() -> None:
    """Each late message raises the revision of the rows it changes by one, and counts its late points."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 1_000, points((0, 500, 1.0)))
    feed(fold, 2, 20_000, points())
    feed(fold, 3, 20_000, points((0, 600, 4.0), (0, 700, 16.0)))
    feed(fold, 4, 20_000, points((0, 800, 64.0), (1, 800, 256.0)))
    work = fold.checkpoint()

    revised = revise(work.closed, work.late)

    assert [(0, 0, 4.0, 85.0, 2), (1, 0, 1.0, 256.0, 1)] == rows(revised)
    assert [3, 1] == revised.late_count.tolist()
    assert [64.0, 256.0] == revised.last.tolist()


def test_point_older_than_the_watermark_is_on_time_while_its_window_is_open() -> None:
    """Late means that the window has closed, not merely that the point lags behind."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 9_000, points((0, 9_000, 1.0)))
    feed(fold, 2, 9_000, points((0, 100, 2.0)))
    feed(fold, 3, 12_000, points())
    work = fold.checkpoint()

    assert [(0, 0, 2.0, 3.0, 0)] == rows(work.closed)
    assert [] == work.late


def test_a_clock_that_runs_ahead_closes_nothing() -> None:
    """The watermark follows the receive time when points lie ahead of it."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 59_000, 2.0)))

    assert fold.checkpoint().closed is None
    assert T0 - 1_000 == fold.watermark_ms


def test_last_is_the_latest_by_event_time_and_the_later_in_the_log_among_equals() -> None:
    """Arrival order matters only between equal event times."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 5_000, points((0, 4_000, 1.0), (0, 3_000, 2.0), (0, 4_000, 3.0)))
    feed(fold, 2, 5_000, points((0, 3_999, 4.0)))
    feed(fold, 3, 12_000, points())
    closed = fold.checkpoint().closed

    assert closed is not None
    assert [3.0] == closed.last.tolist()


def test_negative_weight_retracts() -> None:
    """A retraction takes away from count, sum and sketch, and is never an extreme."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 5_000, points((0, 1, 8.0), (0, 2, 99.0), weight=[2.0, -1.0]))
    feed(fold, 2, 12_000, points())
    closed = fold.checkpoint().closed

    assert closed is not None
    assert (1.0, -83.0, 8.0, 8.0) == (closed.count[0], closed.sum[0], closed.min[0], closed.max[0])
    assert [2.0, -1.0] == closed.weight.tolist()


def test_only_retractions_leave_no_extremes() -> None:
    """A row without a positive weight has neither minimum nor last value."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 5_000, points((0, 1, 8.0), weight=[-1.0]))
    feed(fold, 2, 12_000, points())
    closed = fold.checkpoint().closed

    assert closed is not None
    assert (np.inf, NEVER_MS) == (closed.min[0], closed.last_ms[0])


@pytest.mark.parametrize("first_ms", [0, 100_000], ids=["within its window", "of long ago"])
def test_first_message_sets_the_watermark(first_ms: int) -> None:
    """The first message of a partition tells by itself what is late, so old points open no windows."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 100_000, points((0, 0, 1.0), (0, 100_000 - first_ms, 2.0)))
    work = fold.checkpoint()

    assert [1] * (first_ms == 0) == [len(part) for part in work.late]


def test_message_with_an_unusable_series_changes_nothing() -> None:
    """A series that could not be stored refuses its whole message, before anything is folded."""

    def check(packed: bytes) -> None:
        if packed == b"bad":
            raise Rejected("bad_series", "series: bad")

    fold = PartitionFold(check)
    with pytest.raises(Rejected):
        feed(fold, 1, 1_000, points((0, 500, 1.0), (1, 500, 1.0)), series=(b"good", b"bad"))

    assert ({}, None, []) == (fold.seen, fold.watermark_ms, fold.checkpoint().new_series)


def test_new_series_are_handed_over_once() -> None:
    """A series goes to its table with the first checkpoint after it appeared."""
    fold = PartitionFold(bytes)
    feed(fold, 1, 1_000, points((0, 500, 1.0)), series=(b"a",))
    first = fold.checkpoint().new_series
    feed(fold, 2, 1_000, points((0, 500, 1.0), (1, 500, 1.0)), series=(b"b", b"a"))

    assert ([b"a"], [b"b"]) == (first, fold.checkpoint().new_series)
