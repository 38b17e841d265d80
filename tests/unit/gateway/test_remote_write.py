"""Bodies of remote write, in both versions, become points of ours, and what cannot be one is refused by itself."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.map import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    SUMMARY,
    UNKNOWN,
    kind_of,
    number_text,
    unit_of,
)  # fmt: skip
from shared.errors import Rejected
from shared.wire.series import unpack
from tests.support import remote_write as wire

NOW = 1_790_000_000_000
UP = {"__name__": "up", "job": "api"}


def admitted(
    body: bytes, *headers: tuple[bytes, bytes], decoder: RemoteWrite | None = None
) -> AdmittedPoints:
    """What enters of a body."""
    decoded = (decoder or RemoteWrite()).decode(Request(body, headers, b"", 1, NOW))
    return PointAdmission(10_000).admit(decoded, 1, NOW)


def rows_of(found: AdmittedPoints) -> list[tuple[str, str, dict[str, str], int, float]]:
    """Name, kind, labels, time and value of each point."""
    every = [unpack(found.catalogue.packed[slot]) for slot in found.points.slot.tolist()]
    times, values = found.points.ts_ms.tolist(), found.points.value.tolist()
    return [
        (one.metric, one.kind, dict(one.labels), ts, value)
        for one, ts, value in zip(every, times, values, strict=True)
    ]


def refusals_of(found: AdmittedPoints) -> list[tuple[int, str]]:
    """Index and code of each refusal."""
    return [(bad.index, bad.code) for bad in found.rejected]


def test_a_series_comes_as_often_as_it_has_samples() -> None:
    """Prometheus sends each sample in a series of its own, also of one series."""
    body = wire.request(
        [wire.series(UP, (1.0, NOW)), wire.series(UP, (0.0, NOW + 1)), wire.series(UP, (1.5, NOW + 2))]
    )

    assert [
        ("up", "gauge", {"job": "api"}, NOW + each, value) for each, value in enumerate((1.0, 0.0, 1.5))
    ] == rows_of(admitted(body))


def test_the_second_request_says_the_same_as_the_first() -> None:
    """The first one parses each label, the second one remembers their bytes."""
    decoder = RemoteWrite()
    body = wire.request(
        [wire.series(UP | {"n": str(each)}, (each / 4, NOW)) for each in range(5)]
        + [wire.series(UP, (1.0, NOW), (2.0, NOW + 1)), wire.series(UP, more=wire.part(3, b""))]
    )

    assert rows_of(admitted(body, decoder=decoder)) == rows_of(admitted(body, decoder=decoder))


def test_labels_in_any_order_are_one_series() -> None:
    """`Zone` stands before `__name__` where a sender sorts by bytes, and some do not sort."""
    pairs = [("Zone", "a"), ("__name__", "up"), ("job", "b")]
    body = wire.request([wire.series(pairs, (1.0, NOW)), wire.series(pairs[::-1], (2.0, NOW))])

    assert 1 == len(set(admitted(body).points.slot.tolist()))


def test_a_stale_marker_is_no_value_and_no_refusal() -> None:
    """It is told by its bits; any other NaN is refused by its place."""
    body = wire.request(
        [
            wire.series(UP, (1.0, NOW)),
            wire.series(UP, (wire.STALE, NOW + 1)),
            wire.series(UP, (math.nan, NOW + 2)),
        ]
    )
    found = admitted(body)

    assert ([1.0], [(2, "no_value")]) == (found.points.value.tolist(), refusals_of(found))


def test_one_bad_series_harms_no_other() -> None:
    """Each is refused by the place of its sample."""
    body = wire.request(
        [
            wire.series({"job": "nameless"}, (1.0, NOW)),
            wire.series([("__name__", "a"), ("x", "1"), ("x", "2")], (1.0, NOW)),
            b"\x0a\xff",
            wire.part(1, wire.part(1, b"\xff") + wire.part(2, b"x")) + wire.part(2, wire.sample(1.0, NOW)),
            wire.series({"__name__": "old"}, (1.0, 5)),
            wire.series({"__name__": "large"}, (math.inf, NOW)),
            wire.series(UP, (7.0, NOW)),
        ]
    )
    found = admitted(body)

    assert ([7.0], [
        (0, "invalid_name"), (1, "invalid_labels"), (2, "malformed_protobuf"), (3, "invalid_labels"),
        (4, "ts_too_old"), (5, "value_out_of_range"),
    ]) == (found.points.value.tolist(), refusals_of(found))  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"", wire.request([], [wire.metadata("up", GAUGE)])], ids=["empty", "metadata"]
)
def test_a_request_may_hold_no_samples(body: bytes) -> None:
    """Metadata come in requests of their own, once a minute."""
    found = admitted(body)

    assert ([], []) == (rows_of(found), refusals_of(found))


def test_what_is_no_protobuf_is_refused_whole() -> None:
    """As a body that was cut."""
    with pytest.raises(Rejected) as refusal:
        admitted(wire.request([wire.series(UP, (1.0, NOW))])[:-1])

    assert "malformed_protobuf" == refusal.value.code


def test_more_samples_than_the_limit_are_refused_whole() -> None:
    """At the limit all are taken, whatever way they come in."""
    rows = [wire.series(UP, (float(each), NOW + each)) for each in range(4)]
    at, many = RemoteWrite(4), wire.series(UP, *((1.0, NOW + each) for each in range(5)))

    assert 4 == len(admitted(wire.request(rows), decoder=at).points)
    for body in (wire.request([*rows, rows[0]]), wire.request([many])):
        with pytest.raises(Rejected) as refusal:
            admitted(body, decoder=at)
        assert "too_many_points" == refusal.value.code


@pytest.mark.parametrize(
    ("name", "said", "types", "kind"),
    [
        ("orders_total", UNKNOWN, {}, "cumulative"),
        ("h_bucket", UNKNOWN, {}, "cumulative"),
        ("queue_length", UNKNOWN, {}, "gauge"),
        ("orders_total", UNKNOWN, {"orders": COUNTER}, "cumulative"),
        ("orders", UNKNOWN, {"orders": COUNTER}, "cumulative"),
        ("jobs_count", UNKNOWN, {"jobs_count": GAUGE}, "gauge"),
        ("jobs_count", UNKNOWN, {"jobs": SUMMARY}, "cumulative"),
        ("h_bucket", UNKNOWN, {"h": GAUGE_HISTOGRAM}, "gauge"),
        ("orders_created", UNKNOWN, {"orders": COUNTER}, "gauge"),
        ("orders_created", COUNTER, {}, "gauge"),
        ("requests", COUNTER, {}, "cumulative"),
        ("h_sum", HISTOGRAM, {}, "cumulative"),
        ("rpc", SUMMARY, {}, "gauge"),
        ("jobs_total", GAUGE, {}, "gauge"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_type_else_from_the_suffix(
    name: str, said: int, types: dict[str, int], kind: str
) -> None:
    """A family is called with its suffix in the text format and without it in OpenMetrics."""
    assert kind == kind_of(name, said, lambda family: types.get(family, UNKNOWN))


def test_metadata_that_come_later_correct_the_kind() -> None:
    """From the request in which they come, for a tenant alone."""
    decoder = RemoteWrite()
    body = wire.request([wire.series({"__name__": "jobs_count"}, (1.0, NOW))])
    before = rows_of(admitted(body, decoder=decoder))[0][1]
    admitted(wire.request([], [wire.metadata("jobs_count", GAUGE)]), decoder=decoder)
    after = rows_of(admitted(body, decoder=decoder))[0][1]
    other = decoder.decode(Request(body, [], b"", 2, NOW)).points

    assert other is not None
    assert ("cumulative", "gauge", [("cumulative", "")]) == (before, after, other.kinds)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1.0"), ("1.0", "1.0"), ("1e0", "1.0"), ("2500", "2500.0"), ("+Inf", "+Inf"), ("Inf", "+Inf"),
     ("-Inf", "-Inf"), ("0.005", "0.005"), ("high", "high"), ("1_0", "1_0"), ("", ""), ("NaN", "NaN")],
)  # fmt: skip
def test_a_bound_has_one_spelling(text: str, number: str) -> None:
    """`1` from Prometheus 2.42 is `1.0` from 3.16."""
    assert number == number_text(text)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("http_request_duration_seconds_sum", "s"), ("http_request_duration_seconds_count", ""),
     ("process_resident_memory_bytes", "By"), ("node_cpu_seconds_total", "s"), ("up", ""), ("seconds", "s")],
)  # fmt: skip
def test_the_unit_is_the_word_that_ends_the_name(name: str, unit: str) -> None:
    """Counts have none."""
    assert unit == unit_of(name)


def test_labels_with_a_meaning_of_their_own_here_are_renamed() -> None:
    """As Prometheus renames what is taken; empty labels are none."""
    labels = {"__name__": "up", "tenant": "a", "exported_tenant": "b", "empty": ""}
    rows = rows_of(admitted(wire.request([wire.series(labels, (1.0, NOW))])))

    assert {"exported_tenant": "b", "exported_exported_tenant": "a"} == rows[0][2]


def test_names_are_any_text() -> None:
    """Prometheus 3 sends names of OpenTelemetry as they are."""
    labels = {"__name__": "http.server.duration", "service.name": "a", "ключ": "б"}

    assert [("http.server.duration", "gauge", {"service.name": "a", "ключ": "б"}, NOW, 1.0)] == rows_of(
        admitted(wire.request([wire.series(labels, (1.0, NOW))]))
    )


def second(*rows: Any) -> AdmittedPoints:
    """What enters of a request of version 2.0."""
    return admitted(wire.second_request(rows), wire.SECOND)


def test_version_two_brings_types_and_starts_with_each_series() -> None:
    """A start is of running totals alone; a level has none."""
    found = second(
        ({"__name__": "requests"}, [wire.sample(5.0, NOW, NOW - 1000)], [], COUNTER),
        ({"__name__": "requests_total"}, [wire.sample(6.0, NOW, NOW - 1000)], [], GAUGE),
    )

    assert [("requests", "cumulative", {}, NOW, 5.0), ("requests_total", "gauge", {}, NOW, 6.0)] == rows_of(
        found
    )
    assert found.points.start_ms is not None
    assert [NOW - 1000, 0] == found.points.start_ms.tolist()


def test_a_label_that_says_the_type_is_none() -> None:
    """Prometheus adds `__type__` and `__unit__` where it is told to."""
    labels = {"__name__": "requests", "__type__": "counter", "__unit__": "seconds"}

    assert [("requests", "cumulative", {}, NOW, 1.0)] == rows_of(
        second((labels, [wire.sample(1.0, NOW)], [], 0))
    )


@pytest.mark.parametrize(
    "refs", [[1, 2, 99, 0], [1, 2, 3]], ids=["a symbol that is not there", "half a pair"]
)
def test_labels_that_name_no_symbols_are_refused(refs: Sequence[int]) -> None:
    """Sample by sample."""
    good = wire.second_request([({"__name__": "up"}, [wire.sample(1.0, NOW)], [], 0)])
    bad = wire.part(5, wire.part(1, b"".join(map(wire.varint, refs))) + wire.part(2, wire.sample(1.0, NOW)))
    found = admitted(good + bad, wire.SECOND)

    assert (1, [(1, "invalid_labels")]) == (len(found.points), refusals_of(found))


def test_a_message_of_another_version_is_refused() -> None:
    """Nobody knows what its fields mean."""
    with pytest.raises(Rejected) as refusal:
        admitted(b"", (b"content-type", b"application/x-protobuf;proto=io.prometheus.write.v3.Request"))

    assert "unsupported_message" == refusal.value.code
