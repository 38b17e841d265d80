"""Logs and spans as OpenTelemetry's own messages, and what becomes of them by our decoder."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from services.gateway.intake.columns.admit_events import admit_events
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.otlp.decode import JSON, PROTOBUF
from services.gateway.intake.protocols.otlp.records import OtlpLogs, OtlpTraces
from shared.wire.series import unpack
from tests.support.otlp import NOW_MS, NOW_NS, key_values

SHOP = {"service.name": "shop", "service.version": "1.2", "telemetry.sdk.name": "opentelemetry"}


class Event(NamedTuple):
    """An event as it goes to the log."""

    type: str
    name: str
    ts_ms: int
    session_id: str | None
    properties: dict[str, Any]
    id: str


class Point(NamedTuple):
    """A point as it goes to the log."""

    metric: str
    value: float
    labels: dict[str, str]
    ts_ms: int


class Became(NamedTuple):
    """What has become of a request."""

    events: list[Event]
    points: list[Point]
    refused: list[Rejection]


def log(attributes: Mapping[str, object] | None = None, body: object = None, **fields: Any) -> LogRecord:
    """A log record of now."""
    record = LogRecord(**({"time_unix_nano": NOW_NS} | fields), attributes=key_values(attributes or {}))
    if body is not None:
        record.body.CopyFrom(key_values({"": body})[0].value)
    return record


def span(kind: int, attributes: Mapping[str, object] | None = None, **fields: Any) -> Span:
    """A span of 250 ms until now."""
    given: dict[str, Any] = {
        "start_time_unix_nano": NOW_NS - 250_000_000,
        "end_time_unix_nano": NOW_NS,
        "name": "GET",
        "kind": kind,
    } | fields
    return Span(attributes=key_values(attributes or {}), **given)


def exception(attributes: Mapping[str, object]) -> Any:
    """The event of a span that says an exception."""
    return Span.Event(name="exception", time_unix_nano=NOW_NS - 1_000_000, attributes=key_values(attributes))


def logs(*records: LogRecord, resource: Mapping[str, object] = SHOP, scope: str = "root") -> Any:
    """An export request."""
    of = ScopeLogs(scope=InstrumentationScope(name=scope), log_records=records)
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=Resource(attributes=key_values(resource)), scope_logs=[of])]
    )


def spans(*records: Span, resource: Mapping[str, object] = SHOP) -> Any:
    """An export request."""
    of = ScopeSpans(scope=InstrumentationScope(name="http"), spans=records)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=Resource(attributes=key_values(resource)), scope_spans=[of])]
    )


def in_json(request: Any) -> bytes:
    """The request as the SDKs write it: ids are hexadecimal, enums are numbers."""
    fields = MessageToDict(request, use_integers_for_enums=True)
    for record in _records(fields):
        for name in ("traceId", "spanId"):
            if name in record:
                record[name] = b64decode(record[name]).hex()
    return json.dumps(fields).encode()


def _records(fields: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    return [
        record
        for by_resource in (*fields.get("resourceLogs", ()), *fields.get("resourceSpans", ()))
        for by_scope in (*by_resource.get("scopeLogs", ()), *by_resource.get("scopeSpans", ()))
        for record in (*by_scope.get("logRecords", ()), *by_scope.get("spans", ()))
    ]


def became(request: Any, media: bytes = PROTOBUF) -> Became:
    """What becomes of a request, or of a body, of logs or spans."""
    is_logs = isinstance(request, ExportLogsServiceRequest)
    body = request.SerializeToString() if media == PROTOBUF else in_json(request)
    return of_body(body, OtlpLogs() if is_logs else OtlpTraces(), media)


def of_body(body: bytes, decoder: OtlpLogs | OtlpTraces, media: bytes = JSON) -> Became:
    """What becomes of a body."""
    columns = decoder.decode(Request(body, [], b"", 1, NOW_MS, "", media))
    events, points = admit_events(columns, 1, NOW_MS), PointAdmission(1000).admit(columns, 1, NOW_MS)
    refused = {one.index: one for one in (*events.rejected, *points.rejected)}
    series = [unpack(points.catalogue.packed[slot]) for slot in points.points.slot.tolist()]
    rows = zip(series, points.points.value.tolist(), points.points.ts_ms.tolist(), strict=True)
    return Became(
        [
            Event(
                one.type, one.name, one.ts_ms, one.session_id, json.loads(bytes(one.properties)), one.event_id
            )
            for one in events.events
        ],
        [Point(one.metric, value, dict(one.labels), ts_ms) for one, value, ts_ms in rows],
        [refused[index] for index in sorted(refused)],
    )
