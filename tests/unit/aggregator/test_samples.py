"""How many points a row has seen, whatever they weigh."""

import numpy as np
import pytest

from services.aggregator.adapters.stream import PointFold
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.windows.cells import Cells
from services.aggregator.domain.windows.entries import Entries
from services.aggregator.domain.windows.lateness import revise
from services.aggregator.domain.windows.open_windows import rollups_of
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.rollup import Rollups
from shared.model.series import Series
from shared.model.window import BASE_MS, TIERS_MS
from shared.stream.processor import Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import pack
from shared.wire.versions import NEW, OLD
from tests.support.restarts import kind_of

T0 = 1_732_252_800_000
MINUTE_MS = TIERS_MS[1]

GAUGE, TOTAL, HISTOGRAM = b"\x00", b"\x60", b"\x70"
"""Series that `kind_of` knows."""


def points(ts_ms: list[int], value: list[float], weight: list[float] | None = None) -> Points:
    """Points of one series, so long after T0."""
    given = None if weight is None else np.array(weight)
    return Points(np.zeros(len(ts_ms), np.uint16), T0 + np.array(ts_ms), np.array(value), given)


def folded(series: bytes, *messages: Points) -> Rollups:
    """The row of the first minute once all messages have come and the minute has closed."""
    fold = PartitionFold(bytes, len, kind_of)
    for seq, given in enumerate(messages):
        fold.fold(Arrival("g", seq, T0 + 9_000, [series]), given)
    fold.fold(Arrival("g", len(messages), T0 + 2 * MINUTE_MS, []), points([], []))
    return fold.checkpoint().closed[MINUTE_MS]


@pytest.mark.parametrize("between", [1, 2, 5], ids=lambda n: f"{n} a message")
def test_each_point_is_one_sample_whatever_its_weight(between: int) -> None:
    """What was taken back is no sample any more; five points of other weights, in any division."""
    weights = [1.0, 8.0, 0.25, -1.0, 1.0]
    spans = [slice(at, at + between) for at in range(0, 5, between)]
    messages = [
        points([100] * len(weights[span]), [2.0] * len(weights[span]), weights[span]) for span in spans
    ]

    row = folded(GAUGE, *messages)

    assert ([3.0], [9.25]) == (row.samples.tolist(), row.count.tolist())


def test_a_total_that_came_is_one_sample() -> None:
    """However much it adds: the first adds nothing, and one that came between two others changes what they add."""
    row = folded(TOTAL, points([100, 300], [5.0, 9.0]), points([200], [6.0]))

    assert ([3.0], [4.0]) == (row.samples.tolist(), row.sum.tolist())


def test_late_points_add_to_the_samples_of_a_closed_row() -> None:
    """And where the samples of the row are not known, they are not known of the revised one."""
    fold = PartitionFold(bytes, len)
    fold.fold(Arrival("g", 1, T0 + 1_000, [GAUGE]), points([500, 600], [1.0, 1.0]))
    fold.fold(Arrival("g", 2, T0 + 20_000, []), points([], []))
    fold.fold(Arrival("g", 3, T0 + 20_000, [GAUGE]), points([700], [1.0], [10.0]))
    work = fold.checkpoint()
    unknown = work.closed[BASE_MS].take(np.array([0]))
    unknown.samples = np.array([np.nan])

    assert [3.0] == revise(work.closed[BASE_MS], work.late[BASE_MS]).samples.tolist()
    assert np.isnan(revise(unknown, work.late[BASE_MS]).samples).all()


def test_samples_cost_nothing_while_all_weights_are_one() -> None:
    """They are the count itself then."""
    cells = Cells(1)
    given = points([1, 2], [1.0, 2.0])
    cells.fold(np.zeros(2, np.intp), Entries(given.slot, given.ts_ms, given.value))

    assert cells.samples is cells.count
    assert [2.0] == rollups_of(T0, cells, T0).samples.tolist()


@pytest.mark.parametrize(("version", "known"), [(NEW, True), (OLD, False)])
def test_rows_know_their_samples_if_the_version_that_is_written_keeps_them(version: int, known: bool) -> None:
    """Else what a row says would depend on restarts: version 4 forgets them on the way to the tables as well."""
    key, stored = Key("points", 0), Stored(1, 0, None, b"", None)
    fold = PointFold(key, stored, {}, Repeats(), version)
    series = [pack(Series(7, "m", "gauge", "", ()))]
    for offset, (at_ms, given) in enumerate(((1_000, points([500], [1.0], [8.0])), (20_000, points([], [])))):
        batch = envelope.PointBatch("g", offset + 1, T0 + at_ms, series if len(given) else [], given, [])
        fold.fold(Record(offset, T0 + at_ms, envelope.encode(batch)))

    rows = fold.checkpoint().work.closed[BASE_MS]

    assert [known] == (rows.samples == 1.0).tolist()
    assert [not known] == np.isnan(rows.samples).tolist()
