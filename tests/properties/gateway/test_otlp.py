"""Wild export requests of OTLP: what is cut and what is parsed mean what OpenTelemetry's own messages make of them."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from services.gateway.intake.protocols.otlp.decode import JSON, OtlpMetrics
from shared.errors import Rejected
from tests.support.otlp import (
    CUMULATIVE,
    DELTA,
    NOW_MS,
    NOW_NS,
    START_NS,
    decoded,
    in_json,
    key_values,
    request,
    rows_of,
)

keys = st.sampled_from(["a", "b", "app.kubernetes.io/name", "ключ"])
values = (
    st.text(max_size=4)
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.booleans()
    | st.binary(max_size=3)
    | st.none()
    | st.lists(st.integers(0, 3), max_size=2)
    | st.dictionaries(keys, st.integers(0, 3), max_size=2)
)
attributes = st.dictionaries(keys, values | st.sampled_from(["x", 1]), max_size=3)
number_points = st.fixed_dictionaries(
    {
        "attributes": attributes,
        "time_unix_nano": st.sampled_from([NOW_NS, NOW_NS, NOW_NS + 1, NOW_NS - 10**10]),
    },
    optional={
        "start_time_unix_nano": st.sampled_from([START_NS, START_NS + 5, 0]),
        "as_int": st.integers(-(1 << 63), (1 << 63) - 1),
        "as_double": st.floats(),
        "flags": st.sampled_from([0, 0, 0, 1, 2]),
        "exemplars": st.sampled_from([[], [{"as_int": 1}]]),
    },
)
metrics = st.tuples(
    st.sampled_from(["m", "n", "имя"]),
    st.sampled_from(["", "s"]),
    st.sampled_from([None, (DELTA, True), (CUMULATIVE, True), (CUMULATIVE, False), (0, True)]),
    st.lists(number_points, max_size=6),
)


def metric_of(name: str, unit: str, of_sum: tuple[int, bool] | None, points: list[dict[str, Any]]) -> Metric:
    """A gauge, or a sum of this temporality."""
    fields = [NumberDataPoint(**{**point, "attributes": key_values(point["attributes"])}) for point in points]
    if of_sum is None:
        return Metric(name=name, unit=unit, gauge={"data_points": fields})
    sum_ = {"data_points": fields, "aggregation_temporality": of_sum[0], "is_monotonic": of_sum[1]}
    return Metric(name=name, unit=unit, sum=sum_)


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def fields_of(point: NumberDataPoint) -> list[bytes]:
    """The fields of a point, each serialised by itself."""
    found = []
    for descriptor, value in point.ListFields():
        for one in value if descriptor.name in {"attributes", "exemplars"} else [value]:
            alone = NumberDataPoint()
            if descriptor.name in {"attributes", "exemplars"}:
                getattr(alone, descriptor.name).append(one)
            else:
                setattr(alone, descriptor.name, one)
            if not alone.ListFields():  # a zero of a oneof
                continue
            found.append(alone.SerializeToString())
    return found


def python(fields: list[bytes], _: random.Random) -> bytes:
    """Start, time, value, attributes: Python, C++, Java, JavaScript and Rust."""
    return b"".join(
        sorted(fields, key=lambda field: (field[0] == 0x3A, field[0] == 0x21 or field[0] == 0x31))
    )


def go(fields: list[bytes], _: random.Random) -> bytes:
    """Start, time, attributes, value: Go, where a oneof goes last."""
    return b"".join(sorted(fields, key=lambda field: field[0] in {0x21, 0x31}))


def collector(fields: list[bytes], _: random.Random) -> bytes:
    """Value, time, start, attributes: the Collector writes from the back."""
    return b"".join(sorted(fields, key=lambda field: (field[0] == 0x3A, -field[0])))


def dotnet(fields: list[bytes], _: random.Random) -> bytes:
    """Value, start, time, attributes."""
    return b"".join(sorted(fields, key=lambda field: (field[0] not in {0x21, 0x31}, field[0] == 0x3A)))


def shuffled(fields: list[bytes], chance: random.Random) -> bytes:
    """In any order, some of them twice, and one that nobody knows."""
    mixed = [*fields, *chance.sample(fields, min(2, len(fields))), b"\xd2\x3e\x01x"]
    chance.shuffle(mixed)
    return b"".join(mixed)


def written(
    message: ExportMetricsServiceRequest, order: Callable[[list[bytes], random.Random], bytes]
) -> bytes:
    """The request with the fields of its points in another order."""
    chance, body = random.Random(7), b""
    for of_resource in message.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            inner = b"\x0a" + varint(of_scope.scope.ByteSize()) + of_scope.scope.SerializeToString()
            for metric in of_scope.metrics:
                inner += _field(0x12, _metric(metric, lambda fields: order(fields, chance)))
            resource = _field(0x0A, of_resource.resource.SerializeToString())
            body += _field(0x0A, resource + _field(0x12, inner))
    return body


def _field(first: int, content: bytes) -> bytes:
    return bytes([first]) + varint(len(content)) + content


def _metric(metric: Metric, order: Callable[[list[bytes]], bytes]) -> bytes:
    data, number = (metric.gauge, 0x2A) if metric.HasField("gauge") else (metric.sum, 0x3A)
    points = b"".join(_field(0x0A, order(fields_of(point))) for point in data.data_points)
    bare = type(data)()
    bare.CopyFrom(data)
    del bare.data_points[:]
    outside = Metric(name=metric.name, unit=metric.unit).SerializeToString()
    return outside + _field(number, points + bare.SerializeToString())


def expected_of(message: ExportMetricsServiceRequest) -> list[tuple[int, str, float]]:
    """The points that are rows, by place, name and value, as a plain reader of OpenTelemetry's messages takes them."""
    found, place = [], -1
    for of_resource in message.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                data = metric.gauge if metric.HasField("gauge") else metric.sum
                for point in data.data_points:
                    place += 1
                    which = point.WhichOneof("value")
                    sayable = metric.HasField("gauge") or metric.sum.aggregation_temporality
                    if which and sayable and not point.flags & 1:
                        found.append((place, metric.name, float(getattr(point, which))))
    return found


ORDERS = [python, go, collector, dotnet, shuffled]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
@given(wild=st.lists(metrics, max_size=4), twice=st.booleans())
@settings(max_examples=60)
def test_each_order_of_fields_means_the_same(
    order: Callable[[list[bytes], random.Random], bytes], wild: list[Any], twice: bool
) -> None:
    """As OpenTelemetry's messages read it; the same the second time, when the attributes are known."""
    message = request(*[metric_of(*one) for one in wild], resource={"service.name": "s"})
    body = written(message, order)
    plain = ExportMetricsServiceRequest.FromString(body)
    decoder = OtlpMetrics(("service.name",))
    if twice:
        decoded(body, decoder=decoder)

    columns = decoded(body, decoder=decoder)

    points = columns.points
    places = [] if points is None else list(points.index or range(len(points.ts_ms)))
    names = [] if points is None else list(points.name)
    numbers = [] if points is None else points.value.tolist()
    assert [(place, name, repr(value)) for place, name, value in expected_of(plain)] == [
        (place, name, repr(value)) for place, name, value in zip(places, names, numbers, strict=True)
    ]
    assert rows_of(columns) == rows_of(decoded(in_json(plain), JSON))


@given(st.binary(max_size=80), st.integers(0, 300), st.integers(0, 255))
@settings(max_examples=300)
def test_no_body_harms_the_decoder(inserted: bytes, place: int, changed: int) -> None:
    """Any bytes are columns or a refusal, in either encoding."""
    good = request(
        metric_of(
            "m", "s", None, [{"attributes": {"a": "b"}, "time_unix_nano": NOW_NS, "as_double": 1.0}] * 3
        )
    )
    for body, media in ((good.SerializeToString(), b""), (in_json(good), JSON)):
        spoiled = bytearray(body)
        spoiled[place % len(body)] = changed
        spoiled[place % len(body) : place % len(body)] = inserted
        try:
            found, _ = rows_of(decoded(bytes(spoiled), media))
        except Rejected as refusal:
            assert refusal.code  # noqa: PT017 - both ends are fine
        else:
            assert all(math.isfinite(row.value) and abs(row.ts_ms - NOW_MS) < 10**9 for row in found)
