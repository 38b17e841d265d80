"""The native body: from JSON text to columns, point by point where it must be."""

import json
from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints
from shared.errors import Rejected
from shared.wire import series
from tests.support.decoding import PointDecoding, native_points

NOW = 1_760_000_000_000
GOOD = {"name": "a", "value": 1, "ts": NOW, "labels": {"x": "y"}}


def decode(*points: Any, decoder: PointDecoding | None = None) -> AdmittedPoints:
    """Decode a body of these points for tenant 1 at `NOW`."""
    return (decoder or native_points(1000, 10_000)).decode(json.dumps({"points": points}).encode(), 1, NOW)


def metrics(decoded: AdmittedPoints) -> list[str]:
    """The metric of every row."""
    return [series.unpack(decoded.catalogue.packed[slot]).metric for slot in decoded.points.slot.tolist()]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": ""}, "invalid_name", "name"),
        ({"name": "a b"}, "invalid_name", "name"),
        ({"name": "__a"}, "invalid_name", "name"),
        ({"name": "a\x00"}, "invalid_name", "name"),
        ({"name": "n" * 201}, "invalid_name", "name"),
        ({"name": 5}, "invalid_name", "name"),
        ({"name": None}, "invalid_name", "name"),
        ({"value": "1"}, "invalid_value", "value"),
        ({"value": True}, "invalid_value", "value"),
        ({"value": None}, "invalid_value", "value"),
        ({"value": 1e101}, "value_out_of_range", "value"),
        ({"ts": "2025-10-09T08:53:20"}, "invalid_ts", "ts"),
        ({"ts": "2025-10-09"}, "invalid_ts", "ts"),
        ({"ts": "2025-10-09T08:53:60Z"}, "invalid_ts", "ts"),
        ({"ts": str(NOW)}, "invalid_ts", "ts"),
        ({"ts": 1.5}, "invalid_ts", "ts"),
        ({"ts": True}, "invalid_ts", "ts"),
        ({"ts": []}, "invalid_ts", "ts"),
        ({"ts": 0}, "ts_too_old", "ts"),
        ({"ts": -(1 << 63)}, "ts_too_old", "ts"),
        ({"ts": 1 << 63}, "ts_in_future", "ts"),
        ({"ts": 1 << 70}, "ts_in_future", "ts"),
        ({"ts": "9999-12-31T23:59:59-12:00"}, "ts_in_future", "ts"),
        ({"ts": "0001-01-01T00:00:00+14:00"}, "ts_too_old", "ts"),
        ({"labels": None}, "invalid_labels", "labels"),
        ({"labels": []}, "invalid_labels", "labels"),
        ({"labels": {"x": 1}}, "invalid_labels", "labels"),
        ({"labels": {"le": "1"}}, "invalid_labels", "labels"),
        ({"labels": {"x": "\n"}}, "invalid_labels", "labels"),
        ({"labels": {"x": "é" * 129}}, "invalid_labels", "labels"),
        ({"labels": {f"l{at}": "" for at in range(31)}}, "invalid_labels", "labels"),
        ({"kind": "counter"}, "invalid_kind", "kind"),
        ({"kind": "histogram"}, "invalid_kind", "kind"),
        ({"unit": "a b"}, "invalid_unit", "unit"),
        ({"unit": 1}, "invalid_unit", "unit"),
        ({"weight": 0}, "weight_out_of_range", "weight"),
        ({"weight": "1"}, "invalid_weight", "weight"),
    ],
)
def test_a_bad_point_is_rejected_and_its_neighbours_are_taken(
    changes: dict[str, Any], code: str, field: str
) -> None:
    """Its index, a stable code and the field's name come back, never what was in the field."""
    decoded = decode(GOOD, GOOD | changes, GOOD | {"name": "b"})

    assert [(1, code)] == [(bad.index, bad.code) for bad in decoded.rejected]
    assert decoded.rejected[0].message.startswith(field)
    assert ["a", "b"] == metrics(decoded)


@pytest.mark.parametrize("point", [5, None, "x", [], {}, {"name": "a"}, {"value": 1}])
def test_what_is_no_point_is_rejected_alone(point: Any) -> None:
    """Something that is not an object with a name and a value harms only itself."""
    decoded = decode(point, GOOD)

    assert ([0], ["a"]) == ([bad.index for bad in decoded.rejected], metrics(decoded))


@pytest.mark.parametrize(
    ("changes", "ts_ms"),
    [
        pytest.param({"ts": NOW - 1}, NOW - 1, id="milliseconds"),
        pytest.param({"ts": None}, NOW, id="null is the receive time"),
        pytest.param({"ts": "2025-10-09T08:53:20.123Z"}, NOW + 123, id="UTC"),
        pytest.param({"ts": "2025-10-09T10:53:20+02:00"}, NOW, id="another zone"),
        pytest.param({"ts": "2025-10-09T08:53:20.000999Z"}, NOW, id="finer digits are cut"),
    ],
)
def test_times_become_milliseconds(changes: dict[str, Any], ts_ms: int) -> None:
    """Every accepted spelling of an instant is one integer."""
    assert [ts_ms] == decode(GOOD | changes).points.ts_ms.tolist()


@pytest.mark.parametrize("kind", ["gauge", "delta", "cumulative"])
def test_every_kind_has_series_of_its_own(kind: str) -> None:
    """A running total is a point like any other; a histogram of them is a series of kind histogram."""
    histogram = {"bounds": [1], "counts": [2, 0]}
    decoded = decode(GOOD | {"kind": kind}, {"name": "h", "kind": "cumulative", "histogram": histogram})

    kinds = [series.unpack(decoded.catalogue.packed[slot]).kind for slot in decoded.points.slot.tolist()]
    assert ([], [kind, "histogram", "histogram"]) == (decoded.rejected, kinds)


def test_absent_fields_have_their_defaults() -> None:
    """A name and a value are a gauge of weight 1 without labels, now; unknown fields are ignored."""
    decoded = decode({"name": "a", "value": 1, "colour": "blue"})

    assert ([NOW], None) == (decoded.points.ts_ms.tolist(), decoded.points.weight)
    assert series.unpack(decoded.catalogue.packed[0]) == series.unpack(
        series.pack(series.Series(1, "a", "gauge", "", ()))
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "malformed_json", id="empty"),
        pytest.param(b'{"points":[{"name":"a","value":NaN}]}', "malformed_json", id="NaN"),
        pytest.param(b'{"points":[{"name":"a","value":-Infinity}]}', "malformed_json", id="Infinity"),
        pytest.param(b'{"points":[{"name":"a","value":01}]}', "malformed_json", id="leading zero"),
        pytest.param(b'{"points":[{"name":"a","value":1},]}', "malformed_json", id="trailing comma"),
        pytest.param(b'{"points":[{"name":"a","value":1}]}{}', "malformed_json", id="two documents"),
        pytest.param(b'{"points":[{"name":"a","value":1}]}\x00', "malformed_json", id="trailing NUL"),
        pytest.param(b'\xef\xbb\xbf{"points":[]}', "malformed_json", id="byte order mark"),
        pytest.param('{"points":[]}'.encode("utf-16"), "malformed_json", id="UTF-16"),
        pytest.param(
            b'{"points":[{"name":"\xed\xa0\x80","value":1}]}', "malformed_json", id="surrogate bytes"
        ),
        pytest.param(b'{"points":[{"name":"\\ud800","value":1}]}', "malformed_json", id="lone surrogate"),
        pytest.param(b'{"points":' + b"[" * 200_000, "malformed_json", id="200,000 levels"),
        pytest.param(
            b'{"points":[{"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}", "malformed_json", id="5,000 levels"
        ),
        pytest.param(b"null", "invalid_body", id="null"),
        pytest.param(b"[]", "invalid_body", id="a list"),
        pytest.param(b"{}", "invalid_body", id="no points"),
        pytest.param(b'{"points":{}}', "invalid_body", id="points no list"),
        pytest.param(b'{"points":[]}', "no_points", id="no point"),
        pytest.param(json.dumps({"points": [GOOD] * 1001}).encode(), "too_many_points", id="1,001 points"),
        pytest.param(
            json.dumps({"points": [{}] * 1001}).encode(), "too_many_points", id="1,001 empty points"
        ),
    ],
)
def test_a_body_without_points_to_look_at_is_refused_whole(body: bytes, code: str) -> None:
    """Nothing of it is taken, and the reason has a stable code."""
    with pytest.raises(Rejected) as refusal:
        native_points(1000, 10_000).decode(body, 1, NOW)

    assert code == refusal.value.code


@pytest.mark.parametrize(
    ("points", "timed"),
    [
        pytest.param([GOOD], True, id="plain"),
        pytest.param([GOOD, GOOD | {"kind": "delta", "ts": "2025-10-09T08:53:20Z"}], True, id="with a kind"),
        pytest.param([GOOD, {"name": "a", "value": 1}], False, id="without a time"),
        pytest.param([GOOD | {"name": 5}, GOOD | {"ts": None}], False, id="null beside a bad one"),
    ],
)
def test_a_body_is_timed_when_each_of_its_points_is(points: list[Any], timed: bool) -> None:
    """Only then does the same body mean the same points later."""
    assert decode(*points).timed is timed


def test_a_thousand_points_are_allowed() -> None:
    """The limit includes its own value."""
    assert 1000 == len(decode(*[GOOD] * 1000).points)


def test_a_value_that_no_double_holds_is_rejected() -> None:
    """1e999 and 5,000 digits harm only their own point."""
    body = (
        b'{"points":[{"name":"a","value":1e999},{"name":"a","value":'
        + b"9" * 5000
        + b'},{"name":"a","value":1}]}'
    )

    decoded = native_points(1000, 10_000).decode(body, 1, NOW)

    assert [0, 1] == [bad.index for bad in decoded.rejected]


def test_a_series_is_one_however_its_labels_are_spelt() -> None:
    """Order and escapes of labels make no difference; tenant, kind, unit and name do."""
    decoder = native_points(1000, 10_000)
    same = [{"x": "y", "z": "ü"}, {"z": "ü", "x": "y"}]

    decoded = decode(*[GOOD | {"labels": labels} for labels in same], decoder=decoder)
    other = decode(
        GOOD | {"kind": "delta"}, GOOD | {"unit": "s"}, GOOD | {"name": "b"}, GOOD, decoder=decoder
    )

    assert [0, 0] == decoded.points.slot.tolist()
    assert 4 == len(set(other.points.slot.tolist()))


def test_a_series_seen_before_costs_no_second_entry() -> None:
    """What is known is found by the raw bytes of its labels."""
    decoder = native_points(1000, 10_000)
    first, second = decode(GOOD, decoder=decoder), decode(GOOD | {"weight": 2}, decoder=decoder)

    assert (1, 1) == (len(first.catalogue), len(second.catalogue))


def test_a_full_memory_starts_anew_and_leaves_the_old_one_whole() -> None:
    """Points under way still point into the catalogue that they were decoded with."""
    decoder = native_points(1000, 2)
    first = decode(GOOD, GOOD | {"name": "b"}, decoder=decoder)
    second = decode(GOOD | {"name": "c"}, decoder=decoder)

    assert (["a", "b"], ["c"]) == (metrics(first), metrics(second))
    assert first.catalogue is not second.catalogue


def test_a_bad_series_is_not_remembered() -> None:
    """A flood of bad names cannot fill the memory."""
    decoder = native_points(1000, 10_000)

    assert 0 == len(decode(*[GOOD | {"name": f"bad {at}"} for at in range(50)], decoder=decoder).catalogue)
