"""Export requests of OTLP for tests, and what becomes of them: by our decoder, and by the messages of OpenTelemetry."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Request, RequestColumns
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF, OtlpMetrics
from shared.wire.series import unpack

NOW_MS = 1_760_000_000_000
NOW_NS = NOW_MS * 1_000_000
START_NS = NOW_NS - 10_000_000_000
DELTA, CUMULATIVE = 1, 2


class Row(NamedTuple):
    """A row as it goes to the log."""

    metric: str
    kind: str
    unit: str
    labels: dict[str, str]
    value: float
    weight: float
    ts_ms: int
    start_ms: int


def value_of(value: object) -> AnyValue:
    """A value as the SDKs encode it."""
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[value_of(one) for one in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
    given: dict[str, Any] = {} if value is None else {_FIELDS[type(value)]: value}
    return AnyValue(**given)


_FIELDS: Mapping[type, Any] = {
    bool: "bool_value", str: "string_value", int: "int_value", float: "double_value", bytes: "bytes_value",
}  # fmt: skip


def key_values(attributes: Mapping[str, object]) -> list[KeyValue]:
    """Attributes as the SDKs encode them."""
    return [KeyValue(key=key, value=value_of(value)) for key, value in attributes.items()]


def number(
    value: float, attributes: Mapping[str, object] | None = None, *, at: int = NOW_NS, start: int = 0
) -> dict[str, Any]:
    """A point of a gauge or a sum."""
    given = {"as_int": value} if isinstance(value, int) else {"as_double": value}
    return {
        "attributes": key_values(attributes or {}),
        "time_unix_nano": at,
        "start_time_unix_nano": start,
        **given,
    }


def gauge(name: str, *points: Mapping[str, Any], unit: str = "") -> Metric:
    """A gauge."""
    return Metric(name=name, unit=unit, gauge=Gauge(data_points=[NumberDataPoint(**one) for one in points]))


def total(
    name: str,
    *points: Mapping[str, Any],
    temporality: int = CUMULATIVE,
    monotonic: bool = True,
    unit: str = "",
) -> Metric:
    """A sum."""
    fields: dict[str, Any] = {"aggregation_temporality": temporality, "is_monotonic": monotonic}
    data = Sum(data_points=[NumberDataPoint(**one) for one in points], **fields)
    return Metric(name=name, unit=unit, sum=data)


def request(
    *metrics: Metric, resource: Mapping[str, object] | None = None, scope: str = ""
) -> ExportMetricsServiceRequest:
    """An export request of one resource and scope."""
    of_scope = ScopeMetrics(scope=InstrumentationScope(name=scope), metrics=metrics)
    origin = Resource(attributes=key_values(resource or {}))
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=origin, scope_metrics=[of_scope])]
    )


def decoded(
    body: bytes,
    media: bytes = PROTOBUF,
    *,
    decoder: OtlpMetrics | None = None,
    labels: Sequence[str] = ("service.name",),
) -> RequestColumns:
    """The columns of a body."""
    asked = Request(body, [], b"", 1, NOW_MS, "/v1/metrics", media)
    return (decoder or OtlpMetrics(labels)).decode(asked)


def in_json(message: ExportMetricsServiceRequest) -> bytes:
    """The same request in JSON."""
    return MessageToJson(message).encode()


def admitted(columns: RequestColumns) -> AdmittedPoints:
    """What may enter."""
    return PointAdmission(100_000).admit(columns, 1, NOW_MS)


def rows_of(columns: RequestColumns) -> tuple[list[Row], list[tuple[int, str]]]:
    """The rows that go to the log, and the refusals by index and code."""
    found = admitted(columns)
    points = found.points
    weight = [1.0] * len(points) if points.weight is None else points.weight.tolist()
    start = [0] * len(points) if points.start_ms is None else points.start_ms.tolist()
    rows = []
    for row, slot in enumerate(points.slot.tolist()):
        series = unpack(found.catalogue.packed[slot])
        rows.append(
            Row(
                series.metric, series.kind, series.unit, dict(series.labels), float(points.value[row]),
                weight[row], int(points.ts_ms[row]), start[row],
            )
        )  # fmt: skip
    return rows, [(bad.index, bad.code) for bad in found.rejected]


def both(message: ExportMetricsServiceRequest) -> RequestColumns:
    """The columns of a request, after a check that protobuf and JSON give the same."""
    of_protobuf, of_json = decoded(message.SerializeToString()), decoded(in_json(message), JSON)
    assert rows_of(of_protobuf) == rows_of(of_json)
    return decoded(message.SerializeToString())
