"""Prepared groups say what the merge of the rows of their series says, however the log was divided into commits."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.rollup import ROW_COLUMNS, SPARSE_COLUMNS, Rollups, merged
from shared.model.series import Series
from shared.prepared.grouping import GroupKey, SeriesCodec, SeriesGroups, grouped
from shared.prepared.label_sets import LabelSets, text_of
from shared.wire.rollups import WindowBatch
from shared.wire.series import pack
from shared.wire.stored import groups as wire
from shared.wire.versions import MODULES
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_tables import MemoryTables
from tests.support.restarts import kind_of, restarted

T0 = 1_732_252_800_000
MINUTE_MS = 60_000

SETS = LabelSets({"*": ((),), "m*": (("a",), ("a", "b")), "*.n": (("b",), ())})

NAMES = {
    b"\x01": Series(1, "m.1", "gauge", "", (("a", "1"), ("b", "1"))),
    b"\x02": Series(1, "m.1", "gauge", "", (("a", "1"), ("b", "2"), ("c", "1"))),
    b"\x03": Series(1, "m.1", "gauge", "", (("b", "1"),)),
    b"\x04": Series(1, "m.n", "gauge", "s", (("a", "1"), ("b", "1"))),
    b"\x05": Series(2, "x", "gauge", "", (("a", "1"),)),
    b"\x60": Series(1, "m.1", "cumulative", "", (("a", "1"), ("b", "1"))),
    b"\x61": Series(1, "m.1", "cumulative", "", (("a", "1"), ("b", "3"))),
    b"\x70": Series(1, "m.n", "histogram", "s", (("a", "1"), ("b", "1"))),
}
"""What the bytes of series stand for; the first half of the first byte says the kind."""

SERIES = list(NAMES)
CODEC = SeriesCodec(NAMES.__getitem__, pack)

Row = tuple[int, int, float, float, int]
"""Slot, age, value, weight, and a string."""

Message = tuple[int, list[Row]]

ages = st.one_of(st.integers(-30_000, 3_000), st.integers(-40 * MINUTE_MS, 0))
steps = st.sampled_from((0, 700, 4_000, 12_000, MINUTE_MS, 16 * MINUTE_MS))


def messages(
    values: st.SearchStrategy[float], weights: st.SearchStrategy[float]
) -> st.SearchStrategy[list[Message]]:
    """Messages of these values and weights."""
    rows = st.tuples(st.integers(0, len(SERIES) - 1), ages, values, weights, st.integers(0, 3))
    return st.lists(st.tuples(steps, st.lists(rows, max_size=8)), max_size=10)


dyadic = messages(
    st.sampled_from((-2.0, 0.0, 0.5, 1.25, 300.0)), st.sampled_from((1.0, 1.0, 1.0, 2.0, 0.5, -1.0, -0.5))
)
fractions = messages(st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from((1.0, 1.0, 3.3, -1.0, 0.1)))
cuts = st.dictionaries(st.integers(0, 10), st.booleans())


def points_of(rows: list[Row], clock_ms: int) -> Points:
    """The columns of a message."""
    slot, age, value, weight, text = list(zip(*rows, strict=True)) or [()] * 5
    hashes = np.array(text, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return Points(
        np.array(slot, np.uint16), np.array(age, np.int64) + T0 + clock_ms, np.array(value, np.float64),
        np.array(weight, np.float64), distinct=hashes if hashes.any() else None,
    )  # fmt: skip


def written(log: list[Message], cuts: dict[int, bool]) -> tuple[MemoryTables, MemoryGroups]:
    """The tables when commits follow the messages in `cuts`, those that are true with a restart."""
    fold = PartitionFold(bytes, len, kind_of)
    tables, groups = MemoryTables(SERIES), MemoryGroups(SETS, CODEC)
    clock_ms = 0
    for seq, (step_ms, rows) in enumerate([*log, (40 * MINUTE_MS, [])]):
        clock_ms += step_ms
        fold.fold(Arrival("gateway", seq, T0 + clock_ms, SERIES if rows else []), points_of(rows, clock_ms))
        if seq in cuts or seq == len(log):
            work = fold.checkpoint()
            tables.write(work)
            groups.write(work)
            if cuts.get(seq):
                fold = restarted(fold, work, tables)
                groups.restart()
    return tables, groups


def values(rows: Rollups) -> dict[str, list[object]]:
    """The columns as lists, but for the watermark: that of a group is its own."""
    names = (*ROW_COLUMNS, *SPARSE_COLUMNS)
    return {name: getattr(rows, name).tolist() for name in names if name != "watermark_ms"}


def expected(tables: MemoryTables) -> dict[tuple[int, int, GroupKey], tuple[list[bytes], Rollups]]:
    """What the rows of series make, one group and window after another."""
    found: dict[tuple[int, int, GroupKey], dict[bytes, list[int]]] = {}
    for tier, rows in tables.rows.items():
        for at, (slot, start_ms) in enumerate(zip(rows.slot.tolist(), rows.start_ms.tolist(), strict=True)):
            one = NAMES[SERIES[slot]]
            for label_set in SETS.of(one.metric):
                labels = tuple(pair for pair in one.labels if pair[0] in label_set)
                key = GroupKey(one.tenant_id, one.metric, text_of(label_set))
                groups = found.setdefault((tier, start_ms, key), {})
                groups.setdefault(pack(replace(one, labels=labels)), []).append(at)
    made = {}
    for place, groups in found.items():
        series = sorted(groups)
        index = np.concatenate([groups[packed] for packed in series]).astype(np.int64)
        cell = np.repeat(np.arange(len(series)), [len(groups[packed]) for packed in series])
        made[place] = series, merged(tables.rows[place[0]].take(index), cell, len(series))
    return made


@settings(max_examples=60, deadline=None)
@given(dyadic, cuts)
def test_groups_are_the_merges_of_the_rows_of_their_series(log: list[Message], cuts: dict[int, bool]) -> None:
    """Closed or late, retracted, of running totals or strings, in any division; revisions add up."""
    tables, groups = written(log, cuts)

    wanted = {place: (series, values(rows)) for place, (series, rows) in expected(tables).items()}
    found = {place: groups.row(*place) for place in groups.rows}
    assert wanted == {place: (row.series, values(row.rollups)) for place, row in found.items() if row}


@settings(max_examples=60, deadline=None)
@given(fractions, cuts)
def test_groups_do_not_depend_on_when_commits_were_made(log: list[Message], cuts: dict[int, bool]) -> None:
    """Replaying the log gives the same bytes, fractions included, however often the process was replaced."""
    assert written(log, {})[1].rows == written(log, cuts)[1].rows


@settings(max_examples=60, deadline=None)
@given(fractions, st.sampled_from(tuple(MODULES)))
def test_many_rows_are_encoded_as_each_by_itself(log: list[Message], version: int) -> None:
    """Columns that some rows have and others have not included; and all are read again at once."""
    tables, _ = written(log, {})
    grouping = SeriesGroups(SETS, CODEC).of(SERIES)
    for tier, rows in tables.rows.items():
        for part in grouped(grouping, rows):
            batches = [WindowBatch(3, True, 0, 0, row.series, row.rollups, tier) for row in part]
            each = [wire.encode(batch, version) for batch in batches]
            whole = WindowBatch(3, True, 0, 0, part.series, part.rollups, tier)
            assert each == list(wire.encode_all(whole, part.at, version))
            assert [batch.series for batch in batches] == wire.decode_all(each)[0]


def test_no_rows_are_encoded_to_nothing() -> None:
    """As where a window has no groups."""
    series, rows = wire.decode_all([])

    assert ([], []) == (
        series,
        list(wire.encode_all(WindowBatch(0, True, 0, 0, [], rows), np.zeros(1, np.int64))),
    )
