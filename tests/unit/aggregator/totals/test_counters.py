"""Running totals in the fold: what they do to windows, ledger and memory, among points of other kinds."""

from collections import Counter

import numpy as np

from services.aggregator.domain.totals.increments import FORGET_EVERY_MS, HORIZON_MS, SILENT_MS
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import SPARE_SERIES, Arrival, PartitionFold
from shared.ledger.entries import Line, unsettled
from shared.model.point import Points
from shared.model.rollup import NEVER_MS, Rollups
from shared.model.window import BASE_MS
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000
GAUGE, TOTAL, HISTOGRAM = b"\x01", b"\x60", b"\x70"
SERIES = [GAUGE, TOTAL, HISTOGRAM]

Row = tuple[bytes, int, float] | tuple[bytes, int, float, float]
"""Series, milliseconds after T0, value and weight."""


def feed(fold: PartitionFold, seq: int, at_ms: int, *rows: Row, batch: int | None = None) -> None:
    """One message appended `at_ms` after T0."""
    series, ts, value, weight = list(zip(*((*row, 1.0)[:4] for row in rows), strict=True)) or [()] * 4
    points = Points(
        np.array([SERIES.index(one) for one in series], np.uint16),
        np.array(ts, np.int64) + T0,
        np.array(value, np.float64),
        np.array(weight, np.float64),
    )
    parts = [] if batch is None else [(bytes([batch]) * 16, 7, 0, len(rows))]
    entries = [Line(1, "received", len(rows))]
    fold.fold(Arrival("gateway", seq, T0 + at_ms, SERIES if rows else [], entries, parts), points)


def figures(rollups: Rollups | None) -> list[tuple[bytes, int, float, float, float | None, int]]:
    """(series, start after T0, count, sum, last, late points) of each row."""
    if rollups is None:
        return []
    columns = (rollups.slot, rollups.start_ms - T0, rollups.count, rollups.sum, rollups.last, rollups.last_ms)
    return [
        (SERIES[slot], start, count, total, None if last_ms == NEVER_MS else last, late)
        for slot, start, count, total, last, last_ms, late in zip(
            *(column.tolist() for column in (*columns, rollups.late_count)), strict=True
        )
    ]


def outcomes(work: RollupWork) -> dict[str, int]:
    """The ledger without its minutes."""
    found: Counter[str] = Counter()
    for entry, count in work.ledger.items():
        found[entry.outcome] += count
    return dict(+found)


def test_kinds_stand_side_by_side_in_a_message() -> None:
    """A gauge counts, a total adds its growth, a bucket weighs what it has grown by."""
    fold = PartitionFold(bytes, len, kind_of)
    feed(fold, 1, 2_000, (GAUGE, 1_000, 5.0), (TOTAL, 1_000, 70.0), (HISTOGRAM, 1_000, 0.5, 8.0))
    feed(fold, 2, 3_000, (HISTOGRAM, 2_000, 0.5, 11.0), (TOTAL, 2_000, 72.0), (GAUGE, 2_000, 6.0))
    work = fold.checkpoint()

    assert [
        (GAUGE, 0, 2.0, 11.0, 6.0, 0),
        (TOTAL, 0, 1.0, 2.0, 72.0, 0),
        (HISTOGRAM, 0, 3.0, 1.5, None, 0),
    ] == figures(work.open)
    assert {"received": 6, "counted": 6} == outcomes(work)


def test_a_total_out_of_order_revises_the_window_of_its_successor() -> None:
    """That one has no late point, but another sum; the window of the total has both."""
    fold, tables = PartitionFold(bytes, len, kind_of), MemoryTables(SERIES)
    feed(fold, 1, 2_000, (TOTAL, 1_000, 10.0))
    feed(fold, 2, 45_000, (TOTAL, 25_000, 16.0))
    feed(fold, 3, 45_000)
    feed(fold, 4, 45_000, (TOTAL, 12_000, 12.0))
    tables.write(fold.checkpoint())

    assert [
        (TOTAL, 0, 0.0, 0.0, 10.0, 0), (TOTAL, 10_000, 1.0, 2.0, 12.0, 1), (TOTAL, 20_000, 1.0, 4.0, 16.0, 0),
    ] == figures(tables.rows[BASE_MS])  # fmt: skip
    assert [0, 1, 1] == tables.rows[BASE_MS].revision.tolist()


def test_a_repeated_batch_leaves_the_totals_alone() -> None:
    """What is left out as a repeat is no total either, though it says something else."""
    fold = PartitionFold(bytes, len, kind_of)
    feed(fold, 1, 2_000, (TOTAL, 1_000, 10.0), batch=1)
    feed(fold, 2, 3_000, (TOTAL, 2_000, 50.0), batch=1)
    feed(fold, 3, 4_000, (TOTAL, 3_000, 13.0), batch=2)
    work = fold.checkpoint()

    assert [(TOTAL, 0, 1.0, 3.0, 13.0, 0)] == figures(work.open)
    assert {"received": 3, "counted": 2, "duplicate": 1} == outcomes(work)


def test_a_total_that_comes_too_late_is_stale_in_the_ledger() -> None:
    """It changes no window, its neighbours do, and the account closes."""
    fold = PartitionFold(bytes, len, kind_of)
    feed(fold, 1, 2_000, (TOTAL, 1_000, 10.0))
    feed(fold, 2, HORIZON_MS + 5_000)
    feed(
        fold, 3, HORIZON_MS + 5_000, (TOTAL, 2_999, 11.0), (TOTAL, 3_000, 12.0), (GAUGE, 2_999, 7.0), batch=1
    )
    work = fold.checkpoint()

    assert {"received": 4, "counted": 3, "stale_total": 1} == outcomes(work)
    assert {} == unsettled([Line(1, outcome, count) for outcome, count in outcomes(work).items()])
    assert [(GAUGE, 0, 1.0, 7.0, 7.0, 1), (TOTAL, 0, 1.0, 2.0, 12.0, 1)] == figures(work.late[BASE_MS])


def test_totals_of_several_writers_are_contested_in_the_ledger() -> None:
    """From the one on that tells of them; the series is named once, the account closes, and nothing is added."""
    fold = PartitionFold(bytes, len, kind_of)
    for seq, total in enumerate([800.0, 501.0, 802.0, 503.0, 804.0, 505.0]):
        feed(fold, seq, 1_000 * seq, (TOTAL, 1_000 * seq, total), (GAUGE, 1_000 * seq, 1.0))
    work = fold.checkpoint()
    feed(fold, 6, 7_000, (TOTAL, 7_000, 806.0))
    later = fold.checkpoint()

    assert {"received": 12, "counted": 9, "contested_total": 3} == outcomes(work)
    assert {"received": 1, "contested_total": 1} == outcomes(later)
    assert ([TOTAL], [], 4) == (work.contested, later.contested, fold.counters.totals.contested)
    assert (TOTAL, 0, 0.0, 0.0, 806.0, 0) in figures(later.open)


def test_totals_go_on_after_a_restart() -> None:
    """Also when nothing was open but they."""
    fold, tables = PartitionFold(bytes, len, kind_of), MemoryTables(SERIES)
    feed(fold, 1, 2_000, (GAUGE, 1_000, 1.0), (TOTAL, 1_000, 10.0), (HISTOGRAM, 1_000, 0.5, 8.0))
    feed(fold, 2, 14_000)
    work = fold.checkpoint()
    tables.write(work)

    successor = restarted(fold, work, tables)
    feed(successor, 3, 16_000, (HISTOGRAM, 15_000, 0.5, 9.0), (TOTAL, 15_000, 13.0), (GAUGE, 15_000, 2.0))

    assert work.open is None
    assert {(GAUGE, 1.0, 2.0), (TOTAL, 1.0, 3.0), (HISTOGRAM, 1.0, 0.5)} == {
        (successor.series[slot], count, total)
        for slot, count, total in zip(*columns_of(successor.checkpoint().open), strict=True)
    }


def columns_of(rollups: Rollups | None) -> list[list[float]]:
    """Slot, count and sum of each row."""
    assert rollups is not None
    return [rollups.slot.tolist(), rollups.count.tolist(), rollups.sum.tolist()]


def test_a_series_with_totals_is_not_forgotten() -> None:
    """Its slot may change, though no window holds it; a day of silence, and it is gone with them."""
    fold = PartitionFold(bytes, len, kind_of)
    many = [b"s%d" % n for n in range(2 * SPARE_SERIES)]
    nothing = Points(np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0))
    fold.fold(Arrival("gateway", 1, T0, [*many, TOTAL]), nothing)
    feed(fold, 2, 2_000, (TOTAL, 1_000, 10.0))
    feed(fold, 3, 2_000_000)
    fold.checkpoint()
    kept = list(fold.series)
    feed(fold, 4, 2_000_000, (TOTAL, 1_999_000, 15.0))
    opened = figures_of_slots(fold.checkpoint())

    feed(fold, 5, 2_000_000 + SILENT_MS + FORGET_EVERY_MS)
    fold.fold(Arrival("gateway", 6, T0, [b"t%d" % n for n in range(SPARE_SERIES)]), nothing)
    fold.checkpoint()

    assert ([TOTAL], [(5.0, 15.0)], 0) == (kept, opened, len(fold.series))


def figures_of_slots(work: RollupWork) -> list[tuple[float, float]]:
    """Sum and last of the open rows, whatever their slots."""
    assert work.open is not None
    return list(zip(work.open.sum.tolist(), work.open.last.tolist(), strict=True))
