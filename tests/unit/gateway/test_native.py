"""The native body: from JSON text to columns, point by point where it must be."""

import json
from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.native.decode import NativeEvents, NativePoints
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
        ({"name": "a\tb"}, "invalid_name", "name"),
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
        ({"ts": 1.5}, "ts_too_old", "ts"),
        ({"ts": 1e300}, "ts_in_future", "ts"),
        ({"start_ts": -1e300, "kind": "cumulative"}, "invalid_start_ts", "start_ts"),
        ({"ts": True}, "invalid_ts", "ts"),
        ({"ts": []}, "invalid_ts", "ts"),
        ({"ts": 0}, "ts_too_old", "ts"),
        ({"ts": -(1 << 63)}, "ts_too_old", "ts"),
        ({"ts": 1 << 63}, "ts_in_future", "ts"),
        ({"ts": 1 << 70}, "ts_in_future", "ts"),
        ({"ts": "9999-12-31T23:59:59-12:00"}, "ts_in_future", "ts"),
        ({"ts": "0001-01-01T00:00:00+14:00"}, "ts_too_old", "ts"),
        ({"labels": []}, "invalid_labels", "labels"),
        ({"labels": {"x": []}}, "invalid_labels", "labels"),
        ({"labels": {"x": 1, "y": {}}}, "invalid_labels", "labels"),
        ({"labels": {"tenant": "1"}}, "invalid_labels", "labels"),
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
        pytest.param({"ts": NOW + 0.75}, NOW, id="a fraction is cut"),
        pytest.param({"ts": float(NOW)}, NOW, id="a fraction of nothing"),
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
        pytest.param(b'{"points":[{"name":"a","value":01}]}', "malformed_json", id="leading zero"),
        pytest.param(b'{"points":[{"name":"a","value":1},]}', "malformed_json", id="trailing comma"),
        pytest.param(b'{"points":[{"name":"a","value":1}]}{}', "malformed_json", id="two documents"),
        pytest.param(b'{"points":[{"name":"a","value":1}]}\x00', "malformed_json", id="trailing NUL"),
        pytest.param(b'\xef\xbb\xbf{"points":[]}', "malformed_json", id="byte order mark"),
        pytest.param('{"points":[]}'.encode("utf-16"), "malformed_json", id="UTF-16"),
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

    assert 0 == len(decode(*[GOOD | {"name": f"__bad{at}"} for at in range(50)], decoder=decoder).catalogue)


@pytest.mark.parametrize(
    "field",
    ["ts", "labels", "kind", "unit", "weight", "sample_rate", "start_ts", "distinct", "histogram", "more"],
)
def test_null_says_that_a_field_is_absent(field: str) -> None:
    """For each that may be absent, beside one that does not fit as well. Source: zipkin#1136, apm-server#253."""
    plain = {"name": "a", "value": 1}

    (said,), (absent,) = (decode(point).points.slot.tolist() for point in (plain | {field: None}, plain))
    decoded = decode(plain | {field: None}, {"name": 5}, plain | {field: None, "ts": NOW + 0.5})

    assert (said, [1], [1.0, 1.0]) == (
        absent, [bad.index for bad in decoded.rejected], decoded.points.value.tolist(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(b'{"name":"a","value":NaN}', "invalid_value", id="NaN"),
        pytest.param(b'{"name":"a","value":-Infinity}', "invalid_value", id="Infinity"),
        pytest.param(b'{"name":"a","value":1e999}', "invalid_value", id="beyond a double"),
        pytest.param(b'{"name":"a","value":1,"weight":NaN}', "invalid_weight", id="weight NaN"),
        pytest.param(b'{"name":"a","value":1,"ts":Infinity}', "invalid_ts", id="time Infinity"),
        pytest.param(b'{"name":"a","value":1,"labels":{"NaN":NaN}}', "invalid_labels", id="label NaN"),
        pytest.param(b'{"name":"\xff","value":1}', "invalid_point", id="no UTF-8"),
    ],
)
def test_what_json_does_not_have_harms_its_own_point_alone(bad: bytes, code: str) -> None:
    """A thousand points beside it count. Source: nri-prometheus#31, elastic/apm-agent-java#1554."""
    good = b'{"name":"NaN","value":1,"labels":{"x":"-Infinity \\" NaN"}}'
    body = b'{"points":[%b,%b],"batch_id":"k"}' % (b",".join([good] * 500), b",".join([bad] + [good] * 499))

    decoded = native_points(1000, 10_000).decode(body, 1, NOW)

    assert ([(500, code)], 999) == (
        [(one.index, one.code) for one in decoded.rejected], len(decoded.points),
    )  # fmt: skip


def labels_of(body: bytes) -> list[dict[str, str]]:
    """The labels of each point of a body."""
    decoded = native_points(1000, 10_000).decode(body, 1, NOW)
    assert [] == decoded.rejected
    return [
        dict(series.unpack(decoded.catalogue.packed[slot]).labels) for slot in decoded.points.slot.tolist()
    ]


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        pytest.param(b'{"status":200,"ok":true}', {"status": "200", "ok": "true"}, id="values"),
        pytest.param(b'{"ratio":1.50,"x":"y"}', {"ratio": "1.50", "x": "y"}, id="as it is written"),
        pytest.param(b'{"x":"y","z":null}', {"x": "y"}, id="null"),
        pytest.param(b'{"x":"party \\ud83d"}', {"x": "party \ufffd"}, id="half a character"),
    ],
)  # fmt: skip
def test_a_label_is_the_text_of_what_it_is(said: bytes, labels: dict[str, str]) -> None:
    """Numbers and bools as they are written, halves of characters mended. Source: sentry-javascript#20245."""
    assert [labels] * 2 == labels_of(
        b'{"points":[{"name":"a","value":1,"ts":%d,"labels":%b},{"name":"a","value":1,"labels":%b}]}'
        % (NOW, said, said)
    )


@pytest.mark.parametrize(
    ("sent_at", "ts_ms"),
    [
        pytest.param(NOW, NOW - 5_000, id="right"),
        pytest.param(NOW - 20_000, NOW - 5_000, id="on its way for a while"),
        pytest.param(NOW - 3_600_000, NOW + 3_595_000, id="an hour slow"),
        pytest.param("2025-10-09T09:53:20Z", NOW - 3_605_000, id="an hour fast"),
        pytest.param("yesterday", NOW - 5_000, id="no time"),
        pytest.param(None, NOW - 5_000, id="null"),
    ],
)
def test_a_wrong_clock_is_put_right(sent_at: object, ts_ms: int) -> None:
    """By when the client says that it sent the body; points without a time keep the receive time."""
    points = [GOOD | {"ts": NOW - 5_000}, {"name": "b", "value": 1}]
    body = json.dumps({"sent_at": sent_at, "points": points}).encode()
    events = [{"event_id": "e", "type": "t", "ts": NOW - 5_000}, {"event_id": "f", "type": "t"}]

    decoded = NativePoints(10).decode(Request(body, [], b"", 1, NOW)).points
    found = NativeEvents(10).decode(
        Request(json.dumps({"sent_at": sent_at, "events": events}).encode(), [], b"", 1, NOW)
    ).events  # fmt: skip

    assert decoded is not None
    assert found is not None
    assert ([ts_ms, NOW], [ts_ms, NOW]) == (decoded.ts_ms.tolist(), list(found.ts_ms))


@pytest.mark.parametrize(
    ("start_ts", "ts", "wrong_by_ms", "start_ms"),
    [
        pytest.param(NOW - 9_000, NOW - 5_000, 3_600_000, NOW - 3_600_000 - 9_000, id="moved"),
        pytest.param(5, NOW + 3_600_000, 3_600_000, 1, id="not before 1970"),
        pytest.param(NOW - 3_601_000, None, -3_600_000, NOW - 1_000, id="of a point without a time"),
        pytest.param(NOW - 1_000, None, -3_600_000, NOW, id="not after its point"),
        pytest.param(0, NOW - 5_000, 3_600_000, 0, id="unknown"),
    ],
)
def test_a_start_is_put_right_and_stays_one(
    start_ts: int, ts: int | None, wrong_by_ms: int, start_ms: int
) -> None:
    """Else the aggregator would refuse a point that was accepted."""
    total = {"name": "b", "kind": "cumulative", "value": 1, "start_ts": start_ts, "ts": ts}
    body = json.dumps(
        {"sent_at": NOW + wrong_by_ms, "points": [total, GOOD | total | {"start_ts": NOW - 9_000}]}
    )

    decoded = NativePoints(10).decode(Request(body.encode(), [], b"", 1, NOW)).points

    assert decoded is not None
    assert decoded.start_ms is not None
    assert start_ms == decoded.start_ms.tolist()[0]
