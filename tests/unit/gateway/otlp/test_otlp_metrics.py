"""Metrics of OTLP as points: kinds, labels, streams, histograms and what is refused; in protobuf and in JSON alike."""

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from services.gateway.intake.columns.contract import RequestColumns
from services.gateway.intake.protocols.otlp.decode import JSON
from services.gateway.intake.protocols.otlp.metrics.rows import MAX_BUCKETS
from tests.support.otlp import (
    CUMULATIVE,
    DELTA,
    NOW_MS,
    NOW_NS,
    START_NS,
    Row,
    both,
    decoded,
    gauge,
    in_json,
    number,
    request,
    rows_of,
    total,
)

SHOP = {"service.name": "shop", "service.instance.id": "a-random-uuid"}


def streams(columns: RequestColumns) -> list[int]:
    """The stream of each row."""
    assert columns.points is not None
    assert columns.points.stream is not None
    found: list[int] = columns.points.stream.tolist()
    return found


@pytest.mark.parametrize(
    ("temporality", "monotonic", "kind"),
    [
        (DELTA, True, "delta"),
        (DELTA, False, "delta"),
        (CUMULATIVE, True, "cumulative"),
        (CUMULATIVE, False, "gauge"),
    ],
)
def test_a_sum_is_of_the_kind_that_it_says(temporality: int, monotonic: bool, kind: str) -> None:
    """A total that may fall is a level; increments may be negative and have any interval, none included."""
    sent = request(
        total("m", number(-20, start=NOW_NS), temporality=temporality, monotonic=monotonic, unit="By")
    )

    rows, refused = rows_of(both(sent))

    start_ms = NOW_MS if kind == "cumulative" else 0
    assert ([Row("m", kind, "By", {}, -20.0, 1.0, NOW_MS, start_ms)], []) == (rows, refused)


def test_labels_are_the_promoted_attributes_and_those_of_the_point() -> None:
    """The instance of a service only tells streams apart: as a label it would make all series anew with each deploy."""
    sent = request(gauge("m", number(1.5, {"app.kubernetes.io/name": "web", "n": 7})), resource=SHOP)

    (row,), _ = rows_of(both(sent))

    assert {"service.name": "shop", "app.kubernetes.io/name": "web", "n": "7"} == row.labels


def test_other_attributes_of_resources_can_be_promoted() -> None:
    """A setting names them; where a point has the same, the point's counts."""
    sent = request(gauge("m", number(1, {"zone": "b"})), resource={"zone": "a", "host": "h"})

    (row,), _ = rows_of(decoded(sent.SerializeToString(), labels=("host", "zone", "none")))

    assert {"host": "h", "zone": "b"} == row.labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (1, "1"),
        (-(1 << 63), "-9223372036854775808"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1e21, "1e+21"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (True, "true"),
        (b"\x01\x02\x03", "AQID"),
        ([1, "a", [True]], '[1,"a",[true]]'),
        ({"b": 1, "a": {}}, '{"a":{},"b":1}'),
        (None, ""),
    ],
    ids=repr,
)
def test_each_value_of_an_attribute_has_one_text(value: object, text: str) -> None:
    """Whatever its type."""
    (row,), _ = rows_of(both(request(gauge("m", number(1, {"k": value})))))

    assert {"k": text} == row.labels


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (request(total("m", number(1, {"v": "1"}))), request(total("m", number(1, {"v": 1})))),
        (request(total("m", number(1, {"v": 1.0}))), request(total("m", number(1, {"v": 1})))),
        (request(total("m", number(1)), resource=SHOP), request(total("m", number(1)))),
        (request(total("m", number(1)), scope="a"), request(total("m", number(1)), scope="b")),
        (request(total("m", number(1), unit="s")), request(total("m", number(1), unit="ms"))),
    ],
    ids=["text and int", "double and int", "resource", "scope", "unit"],
)
def test_all_that_tells_a_stream_apart_does(
    one: ExportMetricsServiceRequest, other: ExportMetricsServiceRequest
) -> None:
    """Resource, scope, unit and typed attributes, though few of them are labels; the same in either encoding."""
    found = [streams(decoded(sent.SerializeToString())) for sent in (one, other)]

    assert found[0] != found[1]
    assert found == [streams(decoded(in_json(sent), JSON)) for sent in (one, other)]


def test_a_stream_is_the_same_in_any_order_of_attributes() -> None:
    """Go's maps have none."""
    sent = [
        request(total("m", number(1, dict(pairs)))) for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])
    ]

    one, other = [streams(decoded(each.SerializeToString())) for each in sent]

    assert one == other


def test_only_running_totals_have_a_stream() -> None:
    """Nothing tells gauges and increments apart but their labels."""
    sent = request(gauge("m", number(1)), total("m", number(1)), total("m", number(1), temporality=DELTA))

    found = streams(both(sent))

    assert [False, True, False] == [stream != 0 for stream in found]


def test_totals_of_equal_attributes_are_told_apart_by_their_start() -> None:
    """Attributes that an SDK cannot encode vanish and leave equal sets, whose starts differ by nanoseconds."""
    twins = [
        number(11, start=START_NS),
        number(1100, start=START_NS + 5),
        number(7, {"a": 1}, start=START_NS),
    ]

    first = streams(both(request(total("m", *twins))))
    later = streams(both(request(total("m", *[twin | {"time_unix_nano": NOW_NS + 9} for twin in twins]))))

    assert 3 == len(set(first))
    assert first == later


def test_a_stream_that_comes_twice_in_a_request_is_one() -> None:
    """A collector sends what it could not send before together with the next."""
    twice = [number(5, at=NOW_NS - 10**9, start=START_NS), number(8, start=START_NS)]

    alone, together = [streams(both(request(total("m", *points)))) for points in (twice[:1], twice)]

    assert alone * 2 == together


def test_a_time_that_is_not_given_is_the_receive_time() -> None:
    """And the request is not known again by its content."""
    columns = both(request(gauge("m", number(1, at=0))))

    assert ([NOW_MS], False) == (
        [row.ts_ms for row in rows_of(columns)[0]],
        columns.points and columns.points.timed,
    )


def test_a_start_after_its_point_is_unknown() -> None:
    """As one that is equal to it."""
    (row,), _ = rows_of(both(request(total("m", number(1, start=NOW_NS + 10**12)))))

    assert row.ts_ms == row.start_ms


HISTOGRAM = {
    "time_unix_nano": NOW_NS,
    "count": 3,
    "sum": 6.0,
    "explicit_bounds": [1, 2],
    "bucket_counts": [1, 0, 2],
}


def histogram(point: dict[str, Any], temporality: int) -> Metric:
    """An explicit histogram."""
    return Metric(
        name="h", unit="s", histogram={"data_points": [point], "aggregation_temporality": temporality}
    )


def exponential(point: dict[str, Any], temporality: int) -> Metric:
    """An exponential histogram."""
    fields = {"data_points": [point | {"time_unix_nano": NOW_NS}], "aggregation_temporality": temporality}
    return Metric(name="e", unit="s", exponential_histogram=fields)


@pytest.mark.parametrize(
    ("temporality", "expected"),
    [(DELTA, [("delta", 0.5, 1), ("delta", 2.0, 2)]),
     (CUMULATIVE, [("histogram", 0.5, 1), ("histogram", 1.5, 0), ("histogram", 2.0, 2)])],
    ids=["delta", "cumulative"],
)  # fmt: skip
def test_a_histogram_is_a_row_for_each_bucket(
    temporality: int, expected: list[tuple[str, float, float]]
) -> None:
    """The value is the middle, the weight is what lies in it; of running totals the empty buckets count too."""
    rows, _ = rows_of(both(request(histogram(HISTOGRAM, temporality))))

    assert expected == [(row.kind, row.value, row.weight) for row in rows]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"explicit_bounds": [], "bucket_counts": []}, [("h", "delta", 2.0, 3)]),
        ({"explicit_bounds": [], "bucket_counts": [3]}, [("h", "delta", 2.0, 3)]),
        ({"explicit_bounds": [], "bucket_counts": [0], "count": 0, "sum": 0}, []),
        ({"bucket_counts": [0, 0, 0], "count": 0, "min": float("inf"), "max": float("-inf")}, []),
    ],
    ids=["no buckets", "one bucket", "nothing without buckets", "nothing in buckets"],
)
def test_a_histogram_without_buckets_is_a_mean(
    changes: dict[str, Any], expected: list[tuple[str, str, float, float]]
) -> None:
    """With the count as its weight; of nothing there is no row, and no refusal."""
    rows, refused = rows_of(both(request(histogram(HISTOGRAM | changes, DELTA))))

    assert (expected, []) == ([(row.metric, row.kind, row.value, row.weight) for row in rows], refused)


def test_running_totals_without_buckets_are_two_series() -> None:
    """A count and a sum, as Prometheus names them."""
    bare = HISTOGRAM | {"explicit_bounds": [], "bucket_counts": []}

    rows, _ = rows_of(both(request(histogram(bare, CUMULATIVE))))

    assert [("h_count", "cumulative", "1", 3.0), ("h_sum", "cumulative", "s", 6.0)] == [
        (row.metric, row.kind, row.unit, row.value) for row in rows
    ]


def test_a_summary_is_its_totals_and_its_quantiles() -> None:
    """A quantile without a value says nothing."""
    quantiles = [{"quantile": 0.5, "value": 1.5}, {"quantile": 0.99, "value": float("nan")}]
    point = {"time_unix_nano": NOW_NS, "count": 2, "sum": 3.0, "quantile_values": quantiles}

    rows, refused = rows_of(both(request(Metric(name="s", unit="s", summary={"data_points": [point]}))))

    assert ([("s_count", {}, 2.0), ("s_sum", {}, 3.0), ("s", {"quantile": "0.5"}, 1.5)], []) == (
        [(row.metric, row.labels, row.value) for row in rows], refused,
    )  # fmt: skip


def test_increments_of_an_exponential_histogram_keep_their_scale() -> None:
    """Bucket i lies between base^i and base^(i+1): here 1 at scale 20, and -1 to -4 at scale 0."""
    fine = {"scale": 20, "positive": {"offset": -1, "bucket_counts": [0, 1, 0]}, "zero_count": 2}
    coarse = {"scale": 0, "negative": {"offset": 0, "bucket_counts": [1, 3]}}

    rows, _ = rows_of(both(request(exponential(fine, DELTA), exponential(coarse, DELTA))))

    assert [
        (0.0, 2),
        (pytest.approx(1.0, rel=1e-6), 1),
        (pytest.approx(-8 / 3), 3),
        (pytest.approx(-4 / 3), 1),
    ] == [(row.value, row.weight) for row in rows]


def test_running_totals_of_an_exponential_histogram_keep_their_buckets_when_it_lowers_its_scale() -> None:
    """A client merges buckets as its values spread; each of our totals goes on under the same middle."""
    counts = np.arange(1, 65)
    fine = {"scale": 6, "positive": {"offset": 0, "bucket_counts": counts.tolist()}}
    merged = {"scale": 4, "positive": {"offset": 0, "bucket_counts": counts.reshape(-1, 4).sum(1).tolist()}}

    one, other = [
        [(row.value, row.weight) for row in rows_of(both(request(exponential(point, CUMULATIVE))))[0]]
        for point in (fine, merged)
    ]

    assert one == other
    assert 2080.0 == sum(weight for _, weight in one)


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        (gauge("m", number(float("nan"))), "value_out_of_range"),
        (gauge("m", {"time_unix_nano": NOW_NS}), "invalid_value"),
        (gauge("m", number(1, at=NOW_NS - 10**18)), "ts_too_old"),
        (gauge("m", number(1, at=(1 << 64) - 1)), "ts_in_future"),
        (gauge("", number(1)), "invalid_name"),
        (gauge("m", number(1), unit="two words"), "invalid_unit"),
        (gauge("m", number(1, {"k": "v" * 257})), "invalid_labels"),
        (gauge("m", number(1, {f"k{at}": at for at in range(31)})), "invalid_labels"),
        (gauge("m", number(1, {"": 1})), "invalid_labels"),
        (gauge("m", number(1, {"k": "x" * 70_000})), "invalid_attributes"),
        (total("m", number(1), temporality=0), "invalid_temporality"),
        (histogram(HISTOGRAM | {"bucket_counts": [1]}, DELTA), "invalid_histogram"),
        (histogram({"time_unix_nano": NOW_NS, "count": 3}, DELTA), "invalid_histogram"),
        (histogram(HISTOGRAM | {"explicit_bounds": [2, 1]}, DELTA), "invalid_histogram"),
        (exponential({"scale": 21}, DELTA), "invalid_histogram"),
        (exponential({"scale": 0, "positive": {"offset": 2000, "bucket_counts": [1]}}, DELTA), "invalid_histogram"),
        (exponential({"positive": {"bucket_counts": [1] * 1025}}, DELTA), "invalid_histogram"),
    ],
    ids=[
        "NaN", "no value", "too old", "too far ahead", "no name", "unit", "long label", "many labels", "nameless label",
        "endless attribute", "no temporality", "fewer buckets than bounds", "neither buckets nor sum", "bounds fall",
        "scale", "beyond all numbers", "many buckets",
    ],
)  # fmt: skip
def test_a_bad_point_harms_no_neighbour(metric: Metric, code: str) -> None:
    """It is refused alone, by its place in the request."""
    rows, refused = rows_of(both(request(gauge("a", number(1)), metric, gauge("b", number(2)))))

    assert (["a", "b"], [(1, code)]) == ([row.metric for row in rows], refused)


def test_a_point_that_says_only_that_its_series_has_ended_is_none() -> None:
    """It has no value, and is no refusal."""
    sent = request(gauge("m", {"time_unix_nano": NOW_NS, "flags": 1}, number(2)))

    rows, refused = rows_of(both(sent))

    assert ([2.0], []) == ([row.value for row in rows], refused)


def test_values_nested_beyond_the_limit_refuse_their_point() -> None:
    """Sixteen levels of lists and maps are more than anybody reads."""
    nested: object = 1
    for _ in range(17):
        nested = [nested]

    _, refused = rows_of(both(request(gauge("m", number(1, {"k": nested})))))

    assert [(0, "invalid_attributes")] == refused


def test_a_resource_that_cannot_be_read_refuses_its_own_points() -> None:
    """Text that is not UTF-8 in one, and the other counts."""
    bad, good = (
        request(gauge("a", number(1), number(2)), resource={"k": "XX"}),
        request(gauge("b", number(3))),
    )
    body = bad.SerializeToString().replace(b"XX", b"\xff\xff") + good.SerializeToString()

    rows, refused = rows_of(decoded(body))

    assert (["b"], [(0, "invalid_resource"), (1, "invalid_resource")]) == (
        [row.metric for row in rows], [(index, "invalid_resource") for index, _ in refused],
    )  # fmt: skip


def test_histograms_beyond_the_room_of_a_request_are_refused_one_by_one() -> None:
    """Those before them count."""
    points = [{"scale": 20, "time_unix_nano": NOW_NS, "positive": {"bucket_counts": [1] * 1024}}] * (
        MAX_BUCKETS // 1024 + 2
    )
    metric = Metric(name="e", exponential_histogram={"data_points": points, "aggregation_temporality": DELTA})

    columns = decoded(request(metric).SerializeToString())

    assert [MAX_BUCKETS // 1024, MAX_BUCKETS // 1024 + 1] == [bad.index for bad in columns.refused]


def test_an_empty_request_is_a_request() -> None:
    """Exporters send one when nothing was measured."""
    assert ([], []) == rows_of(both(ExportMetricsServiceRequest()))
