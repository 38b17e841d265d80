"""Two series with one id: the second counts in an overflow series, in every table, and nothing ends.

Ids are narrowed: the id of a series is its last byte. Source: `faults.md`, "two series with one id".
"""

import numpy as np
import pytest

from services.aggregator.domain.partition_series import PartitionSeries, SeriesNames
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import SPARE_SERIES, Arrival, PartitionFold
from shared.errors import Rejected
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS, TIERS_MS
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000 // TIERS_MS[-1] * TIERS_MS[-1]
FIRST, SECOND, OTHER = b"A1", b"B1", b"C2"
OVERFLOW, NEXT_OVERFLOW = b"O8", b"O9"


def narrowed(*taken: bytes) -> SeriesNames:
    """The id is the last byte; overflow series are O8, O9 and so on, whatever overflows."""
    return SeriesNames(lambda packed: packed[-1], lambda _, attempt: b"O%d" % (8 + attempt), taken)


def fold(*taken: bytes) -> PartitionFold:
    """A partition that knows these to have no id of their own."""
    return PartitionFold(lambda _: None, lambda _: 7, kind_of, narrowed(*taken))


def feed(given: PartitionFold, seq: int, at_ms: int, *rows: tuple[bytes, int, float]) -> None:
    """A message received `at_ms` after T0, with points of (series, milliseconds after T0, value)."""
    series = list(dict.fromkeys(packed for packed, *_ in rows))
    points = Points(
        np.array([series.index(packed) for packed, *_ in rows], np.uint16),
        np.array([T0 + ts for _, ts, _ in rows], np.int64),
        np.array([value for *_, value in rows], np.float64),
    )
    given.fold(Arrival("gateway", seq, T0 + at_ms, series), points)


def rows(work: RollupWork, rollups: Rollups | None) -> dict[bytes, tuple[float, float, int]]:
    """Count, sum and revision of each series."""
    if rollups is None:
        return {}
    columns = (rollups.slot, rollups.count, rollups.sum, rollups.revision)
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len({slot for slot, *_ in found}) == len(found)
    return {work.series[slot]: (count, total, revision) for slot, count, total, revision in found}


def closed(work: RollupWork) -> dict[bytes, tuple[float, float, int]]:
    """The base windows that closed."""
    return rows(work, work.closed.get(BASE_MS))


def test_the_second_series_of_an_id_counts_in_the_overflow_series() -> None:
    """The first keeps its rows, and so do all others."""
    both = fold()
    feed(both, 1, 500, (FIRST, 100, 1.0), (SECOND, 200, 2.0), (OTHER, 300, 4.0), (SECOND, 400, 8.0))
    feed(both, 2, 20_000)
    work = both.checkpoint()

    assert {FIRST: (1.0, 1.0, 0), OVERFLOW: (2.0, 10.0, 0), OTHER: (1.0, 4.0, 0)} == closed(work)
    assert ([FIRST, OVERFLOW, OTHER], [SECOND], 1) == (
        work.new_series, work.collisions, both.known_series.collisions
    )  # fmt: skip


def test_ids_of_rows_that_are_handed_over_are_distinct() -> None:
    """By slot, as the tables take them."""
    both = fold()
    feed(both, 1, 500, (FIRST, 100, 1.0), (SECOND, 200, 2.0))
    feed(both, 2, 20_000)
    work = both.checkpoint()

    assert [ord("1"), ord("8")] == sorted(work.ids[work.closed[BASE_MS].slot].tolist())


def test_several_series_without_an_id_share_the_overflow_series() -> None:
    """Their windows are one row, live and closed, in which nothing is missing."""
    many = fold()
    feed(many, 1, 500, (FIRST, 100, 1.0), (SECOND, 200, 2.0), (b"D1", 300, 4.0), (OVERFLOW, 400, 8.0))
    ((_, live),) = many.live()
    feed(many, 2, 20_000)
    work = many.checkpoint()

    expected = {FIRST: (1.0, 1.0, 0), OVERFLOW: (3.0, 14.0, 0)}
    assert (expected, expected) == (rows(work, live), closed(work))


def test_late_points_of_one_message_revise_the_overflow_series_once() -> None:
    """A revision is a message, however many series of it share the row."""
    many = fold()
    feed(many, 1, 500, (FIRST, 100, 1.0), (SECOND, 200, 2.0), (b"D1", 300, 4.0))
    feed(many, 2, 20_000)
    many.checkpoint()
    feed(many, 3, 21_000, (SECOND, 250, 8.0), (b"D1", 350, 16.0))
    work = many.checkpoint()

    assert {OVERFLOW: (2.0, 24.0, 1)} == rows(work, work.late[BASE_MS])


def test_an_overflow_series_whose_id_is_taken_gives_way_to_the_next_name() -> None:
    """No series that a client sent loses its id for it."""
    both = fold()
    feed(both, 1, 500, (b"X8", 50, 32.0), (FIRST, 100, 1.0), (SECOND, 200, 2.0))
    feed(both, 2, 20_000)

    assert {b"X8", FIRST, NEXT_OVERFLOW} == set(closed(both.checkpoint()))


def test_what_the_tables_hold_under_an_id_comes_first() -> None:
    """The fold meets the second alone: the tables know better, for this checkpoint and all that follow."""
    alone = fold()
    feed(alone, 1, 500, (SECOND, 200, 2.0), (b"D1", 300, 4.0))
    feed(alone, 2, 20_000)
    feed(alone, 3, 20_500, (SECOND, 250, 8.0), (SECOND, 20_400, 16.0))
    work = alone.checkpoint()
    moved = [work.overflow(SECOND), work.overflow(work.new_series[0])]
    feed(alone, 4, 41_000)
    after = alone.checkpoint()

    assert [OVERFLOW, NEXT_OVERFLOW] == moved
    assert {NEXT_OVERFLOW: (2.0, 6.0, 0)} == closed(work)
    assert {NEXT_OVERFLOW: (1.0, 8.0, 1)} == rows(work, work.late[BASE_MS])
    assert {NEXT_OVERFLOW: (1.0, 16.0, 0)} == closed(after)
    assert {NEXT_OVERFLOW} <= set(work.new_series) <= {NEXT_OVERFLOW, OVERFLOW}
    assert {SECOND, OVERFLOW} <= set(work.collisions)


def test_the_rightful_series_may_come_after_the_tables_spoke() -> None:
    """The id that the second had to give back is the first's."""
    given = fold()
    feed(given, 1, 500, (SECOND, 200, 2.0))
    given.checkpoint().overflow(SECOND)
    feed(given, 2, 600, (FIRST, 300, 1.0))
    feed(given, 3, 20_000)

    assert {FIRST: (1.0, 1.0, 0), OVERFLOW: (1.0, 2.0, 0)} == closed(given.checkpoint())


def test_a_successor_knows_who_has_no_id() -> None:
    """Open windows of the second go on in the overflow series, though the first is silent."""
    before, tables = fold(), MemoryTables([FIRST, SECOND, OVERFLOW])
    feed(before, 1, 500, (FIRST, 100, 1.0), (SECOND, 200, 2.0))
    work = before.checkpoint()
    successor = restarted(before, work, tables, narrowed(*work.collisions))
    feed(successor, 2, 600, (SECOND, 300, 4.0))
    feed(successor, 3, 20_000)
    after = successor.checkpoint()

    assert {FIRST: (1.0, 1.0, 0), OVERFLOW: (2.0, 6.0, 0)} == closed(after)
    assert [OVERFLOW] == after.new_series  # it may be another one this time: the tables are asked again


def test_running_totals_without_an_id_are_told_apart() -> None:
    """Each series has its own increments; what they have grown by counts in the overflow series."""
    totals = fold()
    first, second, third = b"g1", b"h1", b"i1"
    feed(totals, 1, 500, (first, 100, 10.0), (second, 100, 100.0), (third, 100, 1_000.0))
    feed(totals, 2, 600, (first, 200, 11.0), (second, 200, 102.0), (third, 200, 1_004.0))
    feed(totals, 3, 20_000)

    assert {first: (1.0, 1.0, 0), OVERFLOW: (2.0, 6.0, 0)} == closed(totals.checkpoint())


def test_coarse_windows_are_merges_of_the_finer_ones_in_the_overflow_series_too() -> None:
    """Also where the collision was found between two of them."""
    given, tables = fold(), MemoryTables([FIRST, SECOND, OVERFLOW])
    feed(given, 1, 500, (SECOND, 200, 2.0), (FIRST, 300, 1.0))
    feed(given, 2, 12_500, (SECOND, 12_400, 4.0))
    feed(given, 3, TIERS_MS[-1] + 20_000)
    tables.write(given.checkpoint())

    sums = {tier: float(found.sum.sum()) for tier, found in tables.rows.items()}
    assert dict.fromkeys(TIERS_MS, 7.0) == sums


def test_forgetting_keeps_who_has_no_id() -> None:
    """Slots are renumbered; the second still counts in the overflow series, and those forgotten leave their ids."""
    given = PartitionFold(
        lambda _: None,
        lambda _: 7,
        kind_of,
        SeriesNames(lambda packed: int(packed[1:]), lambda _, attempt: b"O%d" % (10**9 + attempt)),
    )
    many = [b"S%d" % number for number in range(2 * SPARE_SERIES)]
    for number in range(0, len(many), 5_000):
        feed(given, 1 + number, 500, *((packed, 100, 1.0) for packed in many[number : number + 5_000]))
    feed(given, 50_000, 2_000_000)
    feed(given, 50_001, 2_000_000, (b"S7", 1_999_000, 1.0), (b"T7", 1_999_000, 2.0))
    given.checkpoint()
    left = list(given.series)
    feed(given, 50_002, 2_000_000, (b"T7", 1_999_500, 4.0))
    feed(given, 50_003, 2_020_000)
    work = given.checkpoint()

    assert {b"S7", b"T7", b"O1000000000"} == set(left)
    assert {b"S7": (1.0, 1.0, 0), b"O1000000000": (2.0, 6.0, 0)} == closed(work)


def test_an_id_that_nobody_is_left_for_refuses_the_message_unchanged() -> None:
    """With 64 bits that cannot happen; were it to, the message is a dead letter."""
    given = PartitionFold(lambda _: None, lambda _: 7, kind_of, SeriesNames(lambda _: 1))
    feed(given, 1, 500, (FIRST, 100, 1.0))
    with pytest.raises(Rejected) as refused:
        feed(given, 2, 500, (SECOND, 100, 1.0))
    feed(given, 3, 20_000)

    assert ("too_many_series", [FIRST]) == (refused.value.code, given.series)
    assert {FIRST: (1.0, 1.0, 0)} == closed(given.checkpoint())


def test_the_tables_may_speak_of_a_series_that_the_fold_has_forgotten() -> None:
    """When it comes again, it counts in the overflow series."""
    series = PartitionSeries(narrowed())
    series.slot(SECOND)
    series.take()
    series.keep(np.zeros(0, np.int64))
    moved = series.collide(SECOND)
    series.slot(SECOND)

    assert (OVERFLOW, ord("8")) == moved == series.collide(SECOND)
    assert ([OVERFLOW], [SECOND], 1) == (*series.take(), series.collisions)
