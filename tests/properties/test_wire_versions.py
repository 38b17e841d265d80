"""Whatever is written in a version is read again to the bit, and both versions of it say the same."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.entries import Line
from shared.model.point import Points
from shared.wire import envelope, events
from shared.wire.envelope import PointBatch
from shared.wire.events import Event, EventBatch
from shared.wire.examples import shown
from shared.wire.ledger_entries import salvaged
from shared.wire.stored import batch_ids, producers, totals
from shared.wire.stored.totals import RunningTotals
from shared.wire.versions import MODULES, NEW, OLD

NOW_MS = 1_763_985_612_345

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
lines = st.none() | st.lists(
    st.builds(Line, st.integers(0, 99), st.just("received"), st.integers(1, 99)), max_size=3
)


@st.composite
def points(draw: st.DrawFn) -> Points:
    """Columns of some rows, those that may be missing included, but `stream`, which version 4 has not."""
    rows = draw(st.integers(0, 5))
    value = draw(st.lists(st.floats(-1e9, 1e9), min_size=rows, max_size=rows))
    weight = draw(st.none() | st.lists(st.floats(-100, 100), min_size=rows, max_size=rows))
    return Points(
        np.zeros(rows, np.uint16), np.full(rows, NOW_MS), np.array(value, np.float64),
        weight=None if weight is None or not rows else np.array(weight, np.float64),
    )  # fmt: skip


@given(texts, st.integers(0, 1 << 40), points(), lines)
def test_points_in_every_version(producer: str, seq: int, rows: Points, entries: list[Line] | None) -> None:
    """The ledger entries can be salvaged from each."""
    batch = PointBatch(producer, seq, NOW_MS, [b"\x95"], rows, [], entries)
    values = [envelope.encode(batch, version) for version in MODULES]

    assert {shown(batch)} == {shown(envelope.decode(value, NOW_MS)) for value in values}
    assert [entries or []] * len(values) == [list(salvaged(value)) for value in values]


@given(points(), st.lists(st.integers(0, (1 << 64) - 1), min_size=5, max_size=5))
def test_what_tells_streams_apart_is_in_the_newest_version(rows: Points, stream: list[int]) -> None:
    """Version 4 says the same without it."""
    batch = PointBatch("a", 1, NOW_MS, [b"\x95"], rows, [])
    plain = shown(batch)
    rows.stream = np.array(stream[: len(rows)], np.uint64) if len(rows) else None

    assert [plain, shown(batch)] == [
        shown(envelope.decode(envelope.encode(batch, version), NOW_MS)) for version in (OLD, NEW)
    ]


@given(
    st.lists(st.builds(Event, st.integers(0, 9), texts, st.just("click"), st.just(NOW_MS)), max_size=4), lines
)
def test_events_in_every_version(found: list[Event], entries: Any) -> None:
    """The ledger entries can be salvaged from each."""
    batch = EventBatch(NOW_MS, found, entries, [])
    values = [events.encode(batch, version) for version in MODULES]

    assert [batch] * len(values) == [events.decode(value, NOW_MS) for value in values]
    assert [entries or []] * len(values) == [list(salvaged(value)) for value in values]


@given(st.dictionaries(texts, st.tuples(st.integers(0, 1 << 60), st.integers(0, 1 << 60))))
def test_producers_in_every_version(seen: dict[str, tuple[int, int]]) -> None:
    """One that is called `v` included."""
    for found in (seen, seen | {"v": (1, 2)}):
        assert [found] * 2 == [producers.decode(producers.encode(found, version)) for version in MODULES]


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=9))
def test_batch_ids_in_every_version(ids: list[bytes]) -> None:
    """However many there are."""
    joined, notes = b"".join(ids), np.zeros(len(ids), batch_ids.NOTE)

    for version in MODULES:
        came = batch_ids.decode(batch_ids.encode(batch_ids.Ids(joined, notes), version))
        assert (joined, notes.tolist()) == (came.ids, came.notes.tolist())


@given(st.dictionaries(texts, st.binary(max_size=40)), st.integers(), st.booleans())
def test_running_totals_in_every_version(columns: dict[str, bytes], floor_ms: int, continued: bool) -> None:
    """With whatever columns the aggregator keeps of them."""
    kept = RunningTotals(columns, floor_ms % (1 << 60), [b"\x95"], continued)
    identified = replace(kept, identified_ms=floor_ms % (1 << 60))

    assert [kept] * 2 == [totals.decode(totals.encode(kept, version)) for version in MODULES]
    assert [kept, identified] == [totals.decode(totals.encode(identified, version)) for version in MODULES]
