"""Batches of windows as bytes: what comes back, and what is refused by name."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Rejected
from shared.model.rollup import ROW_COLUMNS, SPARSE_COLUMNS, Rollups, concatenate
from shared.wire import rollups
from shared.wire.versions import NEW, OLD
from tests.support.rows import rows_of


@st.composite
def rows_drawn(draw: st.DrawFn) -> Rollups:
    """Up to three rows, with or without samples of their own, retractions, fractions and distinct strings."""
    count = draw(st.integers(0, 3))
    rows = rows_of([(slot, 10_000 * slot, [1.0, 2.0]) for slot in range(count)]) if count else nothing()
    if count and draw(st.booleans()):
        rows.samples = np.full(count, draw(st.sampled_from([np.nan, 1.0])))
    if count and draw(st.booleans()):
        rows.estimated = np.ones(count, np.bool_)
    if draw(st.booleans()):
        rows.weight = rows.weight + 0.5
    if count and draw(st.booleans()):
        rows.distinct_at = np.arange(count + 1)
        rows.register, rows.rank = np.arange(count).astype(np.uint16), np.ones(count, np.uint8)
    return rows


def nothing() -> Rollups:
    """No rows."""
    return rows_of([(0, 0, [1.0])]).take(np.zeros(0, np.int64))


def fields(rows: int = 2) -> dict[str, Any]:
    """The map of a batch with so many rows, one bucket each."""
    floats, ints = np.ones(rows).tobytes(), np.zeros(rows, np.int64).tobytes()
    columns = {
        name: floats if name in {"count", "samples", "sum", "min", "max", "last"} else ints
        for name in ROW_COLUMNS
        if name != "estimated"
    }
    columns |= {"sketch_at": np.arange(rows + 1).tobytes(), "weight": floats}
    columns["bucket"] = np.zeros(rows, np.int16).tobytes()
    return {
        "v": 2, "partition": 0, "final": True, "next_offset": 1, "watermark_ms": 2, "series": [b"\x01"],
        "columns": columns
    }  # fmt: skip


def malformed(name: str, values: object) -> Callable[[dict[str, Any]], None]:
    """Replaces a column."""
    return lambda wire: wire["columns"].update({name: np.array(values).tobytes()})


def test_a_sound_batch_is_decoded() -> None:
    """The map above is one."""
    assert 2 == len(rollups.decode(msgspec.msgpack.encode(fields())).rollups)


def test_a_tick_has_no_rows_and_comes_back() -> None:
    """Its watermark and its place in the log are all it says."""
    came = rollups.decode(rollups.encode(rollups.tick(3, 40, 50)))

    assert (3, True, 40, 50, [], 0) == (
        came.partition, came.final, came.next_offset, came.watermark_ms, came.series, len(came.rollups)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "longest"),
    [
        pytest.param([1.0, 65535.0], 4, id="small"),
        pytest.param([1.0, 65536.0], 16, id="large"),
        pytest.param([0.5, 1.0], 16, id="fractions"),
        pytest.param([-1.0, 1.0], 16, id="taken back"),
        pytest.param([1e300, 1.0], 16, id="huge"),
    ],
)
def test_weights_come_back_however_they_are_written(weights: list[float], longest: int) -> None:
    """Small ones in two bytes each."""
    sound = rollups.decode(msgspec.msgpack.encode(fields()))
    sound.rollups.weight = np.array(weights)

    written = rollups.encode(sound)

    assert weights == rollups.decode(written).rollups.weight.tolist()
    columns = msgspec.msgpack.decode(written)["columns"]
    assert longest == len(columns.get("small_weight", columns.get("weight")))


@pytest.mark.parametrize(
    ("samples", "written"),
    [([1.0, 1.0], False), ([2.0, -1.0], True), ([float("nan"), 3.0], True)],
    ids=["as many as are counted", "others", "not known of one"],
)
def test_samples_come_back_where_the_version_has_them(samples: list[float], written: bool) -> None:
    """Absent where they equal the count. In version 4, which cannot carry them, they are not known."""
    sound = rollups.decode(msgspec.msgpack.encode(fields()))
    sound.rollups.samples = np.array(samples)
    new, old = (rollups.encode(sound, version) for version in (NEW, OLD))

    assert (written, False) == tuple(
        "samples" in msgspec.msgpack.decode(value)["columns"] for value in (new, old)
    )
    assert np.array(samples).tobytes() == rollups.decode(new).rollups.samples.tobytes()
    assert np.isnan(rollups.decode(old).rollups.samples).all()


@pytest.mark.parametrize("samples", [[0.5, 1.0], [np.inf, 1.0], [1e300, 1.0], [1.0]])
def test_samples_that_are_no_numbers_of_points_are_refused(samples: list[float]) -> None:
    """Whole numbers that a float can count to, one a row."""
    wire = fields() | {"v": NEW}
    wire["columns"]["samples"] = np.array(samples).tobytes()

    with pytest.raises(Rejected) as refused:
        rollups.decode(msgspec.msgpack.encode(wire))

    assert ("bad_windows", "samples") == (refused.value.code, refused.value.message.partition(":")[0])


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        pytest.param(malformed("slot", [0, 1]), "slot", id="slot past the series"),
        pytest.param(malformed("slot", [-1, 0]), "slot", id="negative slot"),
        pytest.param(malformed("start_ms", [0]), "start_ms", id="short column"),
        pytest.param(malformed("max", [1.0, 2.0, 3.0]), "max", id="long column"),
        pytest.param(malformed("sketch_at", [0, 1]), "sketch_at", id="short division"),
        pytest.param(malformed("sketch_at", [0, 2, 1]), "sketch_at", id="division that goes back"),
        pytest.param(malformed("sketch_at", [0, 1, 3]), "sketch_at", id="division past the sketches"),
        pytest.param(malformed("weight", [1.0]), "weight", id="weights missing"),
        pytest.param(lambda wire: wire["columns"].pop("sum"), "sum", id="column missing"),
        pytest.param(lambda wire: wire.update(series="x"), "series", id="wrong type"),
    ],
)
def test_an_unsound_batch_is_refused_by_field(spoil: Callable[[dict[str, Any]], None], field: str) -> None:
    """What decodes needs no checks by its readers."""
    wire = fields()
    spoil(wire)

    with pytest.raises(Rejected, match=field):
        rollups.decode(msgspec.msgpack.encode(wire))


@pytest.mark.parametrize("value", [None, b"", b"\xc1", b"\x80", b"{}", b"\xa5\xff\xfe"])
def test_foreign_bytes_are_refused(value: bytes | None) -> None:
    """Nothing but a refusal comes of them."""
    with pytest.raises(Rejected):
        rollups.decode(value)


@given(st.lists(rows_drawn(), max_size=5), st.sampled_from([OLD, NEW]))
def test_many_batches_are_decoded_at_once_as_each_by_itself(parts: list[Rollups], version: int) -> None:
    """Whatever columns some of them leave out."""
    series = [[b"\x01", b"\x02", b"\x03"][: len(part)] for part in parts]
    values = [
        rollups.encode(rollups.WindowBatch(0, True, 0, 0, names, part), version)
        for names, part in zip(series, parts, strict=True)
    ]

    names, rows = rollups.decode_all(values)

    assert series == names
    each = [rollups.decode(value).rollups for value in values]
    whole = concatenate(each) if each else rollups.decode_all([])[1]
    for name in (*ROW_COLUMNS, *SPARSE_COLUMNS):
        np.testing.assert_array_equal(getattr(whole, name), getattr(rows, name), name)


def test_many_batches_are_refused_for_one_that_is_malformed() -> None:
    """Nothing is guessed."""
    sound, wrong = fields(), fields()
    wrong["columns"]["sketch_at"] = np.array([0, 5, 2]).tobytes()

    with pytest.raises(Rejected, match="sketch_at"):
        rollups.decode_all([msgspec.msgpack.encode(one) for one in (sound, wrong)])
