"""The rules of docs/RUNNING_TOTALS.md, a test each under the same name, of counters and of buckets alike."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from services.aggregator.domain.totals.increments import HORIZON_MS, SILENT_MS, RunningTotals
from services.aggregator.domain.totals.rules import CONTESTED_MS, WAVER_MS, YOUNG_MS
from services.aggregator.domain.windows.entries import INCREMENT, Entries

T0 = 1_732_252_800_000
SECOND_MS = 1_000
HOUR_MS = 3_600_000
MIDDLE = 0.5
"""Of the bucket."""

Total = tuple[int, float] | tuple[int, float, int]
"""Milliseconds after T0, total, and start after T0; unknown if it is left out."""


@dataclass
class Stream:
    """The totals of one series, or of one bucket, message by message."""

    histogram: bool
    totals: RunningTotals = field(default_factory=RunningTotals)
    added: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    """By milliseconds after T0."""
    stale: int = 0
    contested: int = 0

    def come(self, *rows: Total, watermark_ms: int = 0, ids: Sequence[int] | None = None) -> None:
        """One message, when the watermark is so long after T0, with what tells each total apart."""
        ts_ms, total = (np.array([row[at] for row in rows]) for at in (0, 1))
        start_ms = np.array([row[2] + T0 if len(row) > 2 else 0 for row in rows])
        value = np.full(len(rows), MIDDLE) if self.histogram else total.astype(float)
        weight = total.astype(float) if self.histogram else np.ones(len(rows))
        apart = None if ids is None else np.array(ids, np.uint64)
        points = Entries(np.zeros(len(rows), np.int64), ts_ms + T0, value, weight, start_ms, stream=apart)
        judged = self.totals.judge(points, np.full(len(rows), self.histogram), T0 + watermark_ms)
        self.stale += int(judged.stale.sum())
        self.contested += int(judged.contested.sum())
        found = judged.entries.rows(np.flatnonzero(judged.entries.role == INCREMENT))
        weight = np.ones(len(found)) if found.weight is None else found.weight
        grown = weight if self.histogram else found.value * weight
        for at, one in zip((found.ts_ms - T0).tolist(), grown.tolist(), strict=True):
            self.added[at] += one

    @property
    def sum(self) -> float:
        """All that was added."""
        return sum(self.added.values())


@pytest.fixture(params=[False, True], ids=["counter", "bucket"])
def stream(request: pytest.FixtureRequest) -> Stream:
    """Nothing has come yet."""
    return Stream(request.param)


def test_a_first_total_without_a_start_counts_nothing(stream: Stream) -> None:
    """Prometheus, `increase`: nobody saw what it had counted before; the next one adds its growth."""
    stream.come((0, 1_000.0))
    stream.come((10_000, 1_010.0))

    assert {10_000: 10.0} == stream.added


def test_a_start_at_its_own_time_is_only_what_later_totals_count_from(stream: Stream) -> None:
    """OpenTelemetry data model, unknown start; faults.md, collector-contrib#22810: 20, not 1040."""
    stream.come((0, 1_000.0, 0), (4_000, 1_010.0, 0))
    stream.come((8_000, 1_020.0, 8_000), (12_000, 1_030.0, 8_000))

    assert {4_000: 10.0, 12_000: 10.0} == stream.added


def test_totals_that_all_start_at_their_own_time_count_nothing(stream: Stream) -> None:
    """The same, on every total; faults.md: 0, not 5150."""
    for at in range(6):
        stream.come((at * 60_000, 1_000.0 + 10 * at, at * 60_000))

    assert 0 == stream.sum


@pytest.mark.parametrize("age_ms", [1, 20_000, YOUNG_MS])
def test_a_first_total_of_a_young_start_counts_in_full(stream: Stream, age_ms: int) -> None:
    """R30; faults.md, collector-contrib#20770, PR #21905: 57, or 30 and then 57, is 57; a short job counts."""
    stream.come((0, 30.0, -age_ms))
    stream.come((10_000, 57.0, -age_ms))

    assert {0: 30.0, 10_000: 27.0} == stream.added


def test_a_first_total_of_an_old_start_counts_nothing(stream: Stream) -> None:
    """PR #21905, `initial_value: auto`: a collector pointed at us later, a partition that begins."""
    stream.come((0, 5_000_000.0, -YOUNG_MS - 1))
    stream.come((10_000, 5_000_003.0, -YOUNG_MS - 1))

    assert {10_000: 3.0} == stream.added


def test_an_old_start_counts_in_full_if_the_series_was_seen_before_it(stream: Stream) -> None:
    """R29: a process that began anew, and was not heard for an hour, has counted nothing before that."""
    stream.come((0, 500.0))
    stream.come((2 * HOUR_MS, 700.0, HOUR_MS), watermark_ms=2 * HOUR_MS)

    assert 700.0 == stream.sum


def test_a_start_that_wavers_by_seconds_is_no_reset(stream: Stream) -> None:
    """Now less uptime; faults.md, rpodgorny/uptimed#22, prometheus#19454: 50, not 2,000,090."""
    for at in range(6):
        stream.come((at * 10_000, 1_000_000.0 + 10 * at, -HOUR_MS + at // 2 * SECOND_MS))

    assert {at * 10_000: 10.0 for at in range(1, 6)} == stream.added


def test_a_start_that_flutters_is_no_reset(stream: Stream) -> None:
    """Rounded to seconds it moves to and fro, rounded to nothing each total has its own: one writer all the same."""
    for at, moved in enumerate([0, 1_000, 0, 0, 1_000, 37, 512, 999, 0]):
        stream.come((at * 10_000, 1_000_000.0 + 10 * at, -HOUR_MS + moved))

    assert {at * 10_000: 10.0 for at in range(1, 9)} == stream.added


def test_a_start_may_drift_as_far_as_it_likes(stream: Stream) -> None:
    """A clock that is set again and again: each start is near to the one before it."""
    for at in range(30):
        stream.come((at * 10_000, 1_000.0 + at, -HOUR_MS + at * WAVER_MS))

    assert 29.0 == stream.sum


@pytest.mark.parametrize("total", [3.0, 7.0, 9.0], ids=["lower", "the same", "higher"])
@pytest.mark.parametrize("pause_ms", [0, 2_000, 60_000])
def test_a_start_that_is_not_before_the_last_total_counts_from_zero(
    stream: Stream, total: float, pause_ms: int
) -> None:
    """R29, OpenTelemetry data model, "true reset": also when it is near, and when the total is higher."""
    stream.come((0, 7.0, -HOUR_MS), (10_000, 7.0, -HOUR_MS))
    stream.come((10_500 + pause_ms, total, 10_000 + pause_ms))

    assert total == stream.sum


def test_a_fall_with_the_same_start_is_a_reset(stream: Stream) -> None:
    """R28: an observable counter whose source began anew, 160 and then 30."""
    stream.come((0, 100.0, -HOUR_MS), (10_000, 160.0, -HOUR_MS), (20_000, 30.0, -HOUR_MS))

    assert {10_000: 60.0, 20_000: 30.0} == stream.added


def test_a_fall_without_a_start_is_a_reset(stream: Stream) -> None:
    """Prometheus, `increase`: what it says now it has counted since."""
    stream.come((0, 100.0), (10_000, 160.0), (20_000, 30.0))

    assert {10_000: 60.0, 20_000: 30.0} == stream.added


def test_an_older_total_that_comes_later_is_no_reset(stream: Stream) -> None:
    """R27, faults.md: OpenTelemetry JS sends 27 after 54; it splits what 54 had added."""
    stream.come((0, 54.0, -20_000))
    stream.come((-10_000, 27.0, -20_000))

    assert (54.0, {0: 27.0, -10_000: 27.0}) == (stream.sum, stream.added)


def test_a_gap_adds_all_growth_where_it_ends(stream: Stream) -> None:
    """OpenTelemetry data model, "Resets and gaps"; R48: nobody knows when in the gap it grew."""
    stream.come((0, 100.0))
    stream.come((HOUR_MS, 160.0), watermark_ms=HOUR_MS)

    assert {HOUR_MS: 60.0} == stream.added


def test_writers_whose_starts_are_apart_count_side_by_side(stream: Stream) -> None:
    """OpenTelemetry data model, "Overlap": each start is a sequence of its own."""
    for at in range(5):
        stream.come((at * 10_000, 10.0 * (at + 1), -1_000), (at * 10_000 + 1, 3.0 * (at + 1), -61_000))

    assert 50.0 + 15.0 == stream.sum


@pytest.mark.parametrize("apart_ms", [1, 400, WAVER_MS])
@pytest.mark.parametrize("ahead", [100.0, 1.0])
def test_writers_whose_starts_are_near_are_told_apart_by_their_totals(
    stream: Stream, apart_ms: int, ahead: float
) -> None:
    """R25, R26: workers forked at once; one goes on from more than the other said in between, twice."""
    for at in range(4):
        stream.come((at * 10_000, 10.0 * (at + 1) + ahead, -20_000))
        stream.come((at * 10_000 + 300, 10.0 * (at + 1), -20_000 + apart_ms))

    assert 40.0 + ahead + 40.0 == stream.sum


@pytest.mark.parametrize("start", [(), (-1_000,), (-HOUR_MS,)], ids=["no start", "young", "old"])
def test_streams_with_ids_of_their_own_count_side_by_side(stream: Stream, start: tuple[int, ...]) -> None:
    """R24, R26: two instances, or scopes, with equal labels and one start; what each has grown by is added."""
    first = 0.0 if start != (-1_000,) else 10.0 + 500.0 + 7.0
    for at in range(6):
        rows = [
            (at * 10_000, begin + grows * at, *start)
            for begin, grows in ((10.0, 1.0), (500.0, 0.25), (7.0, 0.0))
        ]
        stream.come(*rows, ids=[(1 << 64) - 1, 1, 0])

    assert (first + 5 * 1.25, 0) == (stream.sum, stream.contested)


def test_writers_that_say_different_totals_at_once_are_told_apart(stream: Stream) -> None:
    """R25: starts that differ by a millisecond, and the same event times."""
    for at in range(2):
        stream.come((at * 10_000, 11.0 * (at + 1), -20_000), (at * 10_000, 1_100.0 * (at + 1), -19_999))

    assert 22.0 + 2_200.0 == stream.sum


WRITERS = {
    "two": [800.0, 501.0],
    "two, the lower first": [501.0, 800.0],
    "three, falling": [800.0, 501.0, 300.0],
    "three, rising": [300.0, 501.0, 800.0],
    "four": [800.0, 300.0, 501.0, 100.0],
}


@pytest.mark.parametrize("writers", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("grows", [0.0, 2.0])
@pytest.mark.parametrize("start", [(), (-HOUR_MS,)], ids=["no start", "one start"])
def test_several_writers_of_one_series_count_nothing_and_are_noticed(
    stream: Stream, writers: list[float], grows: float, start: tuple[int, ...]
) -> None:
    """Faults.md, VictoriaMetrics PR #10807: what resets seemed to add is taken back; each is named from then on."""
    rows = [total + grows * at for at in range(8) for total in writers]
    for at, total in enumerate(rows):
        stream.come((at * 5_000, total, *start))

    assert set(stream.added.values()) <= {0.0}
    assert len(rows) - stream.contested <= 2 * len(writers) + 1


def test_a_second_writer_takes_back_what_it_seemed_to_add(stream: Stream) -> None:
    """From its first total on, and with it the last three of the other at most."""
    for at in range(10):
        stream.come((at * 10_000, 100.0 + at))
    for at in range(10, 20):
        stream.come((at * 10_000, 100.0 + at), (at * 10_000 + 5_000, 500.0 + at))

    assert 6.0 <= stream.sum <= 10.0


def test_a_series_counts_again_when_one_writer_is_left(stream: Stream) -> None:
    """A quarter of an hour after the last sign of the other."""
    for at, total in enumerate([800.0, 501.0, 802.0, 503.0, 804.0, 505.0]):
        stream.come((at * 5_000, total))
    for at in range(1, 200):
        now_ms = 25_000 + at * 10_000
        stream.come((now_ms, 505.0 + at), watermark_ms=now_ms)
        if at % 30 == 0:
            stream.totals.forget(T0 + now_ms)

    counted = sorted(at for at, one in stream.added.items() if one)
    assert [25_000 + CONTESTED_MS + 10_000] == counted[:1]
    assert 1.0 * len(counted) == stream.sum


def test_resets_now_and_then_are_not_several_writers(stream: Stream) -> None:
    """One fall is a reset, whatever stood there before; and falls whose totals do not go on are resets too."""
    for at, total in enumerate([3.0, 11.0, 4.0, 12.0, 20.0, 1.0, 9.0, 30.0, 2.0]):
        stream.come((at * 10_000, total))

    assert (8.0 + 4.0 + 16.0 + 1.0 + 29.0 + 2.0, 0) == (stream.sum, stream.contested)


@pytest.mark.parametrize("begin", [2.0**53, 2.0**60])
def test_above_2_53_increments_are_the_differences_of_what_float64_holds(
    stream: Stream, begin: float
) -> None:
    """IEEE 754, Sterbenz: the difference of near values is exact, so that increments add up to the growth."""
    step = begin / 2**52
    for at in range(50):
        stream.come((at * 10_000, begin + step * at))
    stream.come((500_000, begin + step * 49 + step / 4))

    assert {step} == {one for at, one in stream.added.items() if at < 500_000}
    assert step * 49 == stream.sum


def test_a_total_beyond_the_horizon_is_stale(stream: Stream) -> None:
    """It counts nothing and changes nothing; the ledger says so."""
    stream.come((0, 10.0), (60_000, 16.0))
    stream.come((30_000, 12.0), watermark_ms=30_000 + HORIZON_MS + 1)

    assert (1, {60_000: 6.0}) == (stream.stale, stream.added)


def test_of_two_totals_of_one_instant_the_larger_stands(stream: Stream) -> None:
    """A total only grows; R12: Python sends its last collection twice."""
    stream.come((0, 10.0, -1_000))
    stream.come((10_000, 12.0, -1_000))
    stream.come((10_000, 13.0, -1_000))
    stream.come((10_000, 11.0, -1_000))

    assert {0: 10.0, 10_000: 3.0} == stream.added


def test_a_start_that_was_forgotten_counts_nothing_at_first(stream: Stream) -> None:
    """After a day of silence nobody knows what it had counted."""
    stream.come((0, 10.0, -1_000))
    stream.totals.forget(T0 + SILENT_MS + 1)
    stream.come((SILENT_MS + 2, 50.0, -1_000), watermark_ms=SILENT_MS + 1)
    stream.come((SILENT_MS + 3, 53.0, -1_000), watermark_ms=SILENT_MS + 1)

    assert 10.0 + 3.0 == stream.sum


def test_script_a_large_total_that_becomes_a_double_is_no_reset(stream: Stream) -> None:
    """A script: 2^53 + 1, then 0.5 more as a double, one less: findings/otel-python-total-falls.sh."""
    stream.come((0, 2.0**53, -HOUR_MS), (10_000, float(2**53 + 1), -HOUR_MS), (20_000, 2.0**53, -HOUR_MS))

    assert 0.0 == stream.sum


def test_script_a_collector_restart_adds_what_was_counted_on_either_side(stream: Stream) -> None:
    """A script: a counter of an app with a known start, its collector that begins anew, and the app itself."""
    before = [(at * 10_000, 10.0 * at, -1_000) for at in range(1, 10)]
    after = [(at * 10_000, 10.0 * at, -1_000) for at in range(12, 20)]
    anew = [(at * 10_000 + 5_000, 7.0 * (at - 19), 195_000) for at in range(20, 25)]
    for row in (*before, *after, *anew):
        stream.come(row)

    assert 190.0 + 35.0 == stream.sum


@pytest.mark.parametrize("back_ms", [1_000, 10_000, 60_000])
def test_script_a_clock_that_is_set_back_counts_nothing_twice(stream: Stream, back_ms: int) -> None:
    """A script: a larger total of an earlier time, as a host says it whose clock was 1 to 60 s ahead until then."""
    times_ms = [*range(0, 200_000, 10_000), *range(200_000 - back_ms, 600_000, 10_000)]
    for nth, at_ms in enumerate(times_ms):
        stream.come((at_ms, 1_000.0 + nth, -HOUR_MS), watermark_ms=max(0, at_ms - 2_000))

    assert (len(times_ms) - 1, 0) == (stream.sum, stream.contested)


def test_script_totals_that_are_refused_until_a_clock_is_back_at_their_start_are_made_up_for(
    stream: Stream,
) -> None:
    """A script: the start is after the time for 20 s, so the gateway refuses them; the next total has it all."""
    stream.come((5_000, 1.0, 4_000))
    stream.come((15_000, 6.0, 4_000))

    assert {5_000: 1.0, 15_000: 5.0} == stream.added
