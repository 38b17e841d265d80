"""The batch of points on the wire: what it keeps, and what it refuses by name."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from shared.errors import Rejected
from shared.model.point import Points
from shared.model.series import KINDS, Series
from shared.model.window import MAX_LEAD_MS, MAX_POINT_AGE_MS
from shared.wire import envelope
from shared.wire.series import checked, kind_of, pack, unpack
from shared.wire.versions import NEW

NOW = 1_732_252_800_000
SERIES = Series(7, "http.duration", "delta", "ms", (("host", "a"), ("route", "/x")))

OTHER = Series(7, "http.duration", "delta", "ms", ())


def batch() -> envelope.PointBatch:
    """Two points of two series, one with a weight."""
    points = Points(
        np.array([0, 1], np.uint16),
        np.array([NOW, NOW - 5]),
        np.array([1.5, -2.0]),
        np.array([1.0, 3.0]),
        np.array([NOW - 5, 0]),
        np.array([0, (1 << 64) - 1], np.uint64),
        np.array([(1 << 64) - 1, 0], np.uint64),
    )
    part = envelope.Part(bytes(16), (1 << 64) - 1, 0, 2)
    return envelope.PointBatch("gateway", 4, NOW, [pack(SERIES), pack(OTHER)], points, [part])


def test_decode_after_encode_is_the_identity() -> None:
    """Every field and column comes back."""
    sent = batch()
    came = envelope.decode(envelope.encode(sent, NEW), NOW)

    for name in ("slot", "ts_ms", "value", "weight", "start_ms", "distinct", "stream"):
        assert getattr(sent.points, name).tolist() == getattr(came.points, name).tolist()
    for name in ("producer", "seq", "received_at_ms", "series", "batches"):
        assert getattr(sent, name) == getattr(came, name)


def test_tick_has_no_rows() -> None:
    """A tick carries time and nothing else."""
    came = envelope.decode(envelope.tick("gateway", 5, NOW), NOW)

    assert (5, NOW, 0) == (came.seq, came.received_at_ms, len(came.points))


def floats(*values: float) -> bytes:
    """A float column."""
    return np.array(values, "<f8").tobytes()


Spoil = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("spoil", "code", "field"),
    [
        (lambda m: m.pop("seq"), "bad_batch", "seq"),
        (lambda m: m.update(slot=b"\x00\x00\x02\x00"), "bad_batch", "slot"),
        (lambda m: m.update(slot=b"\x00"), "bad_batch", "slot"),
        (lambda m: m.update(distinct=bytes(9)), "bad_batch", "distinct"),
        (lambda m: m.update(stream=bytes(24)), "bad_batch", "stream"),
        (lambda m: m.update(batches=[(bytes(15), 1, 0, 2)]), "bad_batch", "batches"),
        (lambda m: m.update(batches=[(bytes(16), -1, 0, 2)]), "bad_batch", "batches"),
        (lambda m: m.update(batches=[(bytes(16), 1, 0, 1), (bytes(16), 1, 0, 1)]), "bad_batch", "batches"),
        (lambda m: m.update(batches=[(bytes(16), 1, 0, 0)]), "bad_batch", "batches"),
        (lambda m: m.update(batches=[(bytes(16), 1, 1, 2)]), "bad_batch", "batches"),
        (lambda m: m.update(received_at_ms="noon"), "bad_batch", "received_at_ms"),
    ],
    ids=[
        "no seq",
        "slot out of range",
        "short column",
        "short optional column",
        "long optional column",
        "short batch id",
        "negative hash of a body",
        "batches that share a row",
        "batch without rows",
        "batch past the end",
        "receive time that is none",
    ],
)
def test_unsound_batch_is_refused_by_name(spoil: Spoil, code: str, field: str) -> None:
    """The refusal names the field, so that a dead letter explains itself."""
    message = msgspec.msgpack.decode(envelope.encode(batch(), NEW))
    spoil(message)

    with pytest.raises(Rejected, match=field) as refused:
        envelope.decode(msgspec.msgpack.encode(message), NOW)
    assert code == refused.value.code


@pytest.mark.parametrize(
    ("column", "code"),
    [
        pytest.param({"value": floats(1.0, float("nan"))}, "bad_value", id="nan"),
        pytest.param({"value": floats(1.0, float("-inf"))}, "bad_value", id="inf"),
        pytest.param({"value": floats(1.0, 1e101)}, "bad_value", id="too large"),
        pytest.param({"weight": floats(1.0, 1e13)}, "bad_weight", id="weight"),
        pytest.param({"start_ms": np.array([0, -1], "<i8").tobytes()}, "bad_start", id="start before 1970"),
        pytest.param(
            {"start_ms": np.array([0, NOW + 1], "<i8").tobytes()}, "bad_start", id="start after its point"
        ),
    ],
)
def test_a_point_that_cannot_be_folded_is_refused_by_row(column: dict[str, bytes], code: str) -> None:
    """Its neighbour counts."""
    message = msgspec.msgpack.decode(envelope.encode(batch())) | column

    came = envelope.decode(msgspec.msgpack.encode(message), NOW)

    assert [(code, [False, True])] == [(one.code, one.rows.tolist()) for one in came.refused]


@pytest.mark.parametrize(
    ("age_ms", "codes"),
    [
        (0, []),
        (-MAX_LEAD_MS, []),
        (-MAX_LEAD_MS - 1, ["ts_in_future"]),
        (MAX_POINT_AGE_MS, []),
        (MAX_POINT_AGE_MS + 1, ["ts_too_old"]),
    ],
)
def test_a_point_too_far_from_the_append_time_is_refused_by_row(age_ms: int, codes: list[str]) -> None:
    """Its neighbour counts, however far ahead or behind the clock of the gateway was."""
    sent = batch()
    sent.points.ts_ms = np.array([NOW, NOW - age_ms])
    sent.points.start_ms = None
    for received_at_ms in (0, NOW, NOW + 3_660_000, 1 << 62):
        sent.received_at_ms = received_at_ms

        came = envelope.decode(envelope.encode(sent), NOW)

        assert [(code, [False, True]) for code in codes] == [
            (one.code, one.rows.tolist()) for one in came.refused
        ]


def test_refusals_by_row_tell_the_future_from_the_past() -> None:
    """Times at the ends of 64 bits included."""
    sent = batch()
    sent.points.ts_ms = np.array([(1 << 63) - 1, -(1 << 63)])
    sent.points.start_ms = None

    came = envelope.decode(envelope.encode(sent), NOW)

    assert [("ts_in_future", [True, False]), ("ts_too_old", [False, True])] == [
        (one.code, one.rows.tolist()) for one in came.refused
    ]


@pytest.mark.parametrize("value", [None, b"", b"\xc1", b"\x80", bytes(1000)], ids=repr)
def test_other_bytes_are_refused(value: bytes | None) -> None:
    """Whatever is no batch is `Rejected`, never another error."""
    with pytest.raises(Rejected):
        envelope.decode(value, NOW)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["m", "m" * 31, "m" * 32, "m" * 200])
@pytest.mark.parametrize("tenant_id", [0, 127, 128, 256, 1 << 16, (1 << 63) - 1])
def test_the_kind_is_read_from_the_bytes_of_a_series(tenant_id: int, metric: str, kind: str) -> None:
    """At every width that what stands before it may have."""
    assert kind == kind_of(pack(Series(tenant_id, metric, kind, "s", (("a", "b"),))))


def test_series_comes_back_from_its_bytes() -> None:
    """Decoding is the inverse of packing."""
    assert unpack(pack(SERIES)) == SERIES


@pytest.mark.parametrize(
    "packed",
    [
        b"\xc0",
        msgspec.msgpack.encode((7, "m", "gauge", "")),
        msgspec.msgpack.encode((7, "m", "gauge", "", {"b": "1", "a": "2"})),
        msgspec.msgpack.encode((7, "m", "gauge", "", {"a": "\x00"})),
        msgspec.msgpack.encode((7, "m", "rate", "", {})),
        msgspec.msgpack.encode((7, "__name", "gauge", "", {})),
        msgspec.msgpack.encode((1 << 63, "m", "gauge", "", {})),
    ],
    ids=["nil", "too short", "labels unsorted", "NUL", "kind", "metric", "tenant"],
)
def test_series_that_cannot_be_stored_is_refused(packed: bytes) -> None:
    """What would fail in the table, or have two ids, is refused before it is folded."""
    with pytest.raises(Rejected):
        checked(packed)
