"""Spans of servers and clients as response times, and the exceptions in any span as errors. Nanoseconds since 1970.

Sources: OpenTelemetry's semantic conventions of HTTP and RPC, newer names before older ones. Of other spans nothing
else is kept.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from services.gateway.intake.columns.rows import MappedEvent, MetricPoint
from services.gateway.intake.protocols import vocabulary
from services.gateway.intake.protocols.otlp.attributes import attributes_of, attributes_of_pairs
from services.gateway.intake.protocols.otlp.events.context import Origin, context_of, first_of
from services.gateway.intake.protocols.otlp.events.errors import error_of, is_exception
from services.gateway.intake.protocols.otlp.events.fields import (
    hex_of,
    integer_of,
    list_of,
    ms_of,
    object_of,
    text_of_field,
)
from services.gateway.intake.protocols.otlp.events.routes import endpoint_of
from services.gateway.intake.protocols.otlp.map import Attributes
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES
from shared.errors import Rejected

SERVER, CLIENT = 2, 3
"""Kinds of spans."""

ERROR = 2
"""Code of the status of a span that failed."""

MAX_EXCEPTIONS = 32
"""Exceptions of a span that are kept; SDKs keep 128 events of a span."""

METHOD = ("http.request.method", "http.method")
STATUS = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code", "rpc.response.status_code")

_KINDS = {"SPAN_KIND_SERVER": SERVER, "SPAN_KIND_CLIENT": CLIENT}


class SpanEvent(NamedTuple):
    """Something that happened in a span."""

    ts_ms: int | None
    attributes: Attributes


class Span(NamedTuple):
    """What is read of a span."""

    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    exceptions: list[SpanEvent]
    ids: dict[str, str]
    failed: bool


def read_protobuf(record: bytes) -> Span:
    """A span; raise `Rejected`."""
    try:
        found = MESSAGES["TracedSpan"].FromString(record)
        events = [MESSAGES["SpanEvent"].FromString(each) for each in found.events]
    except BROKEN as error:
        raise Rejected("malformed_span", "span: must be a Span") from error
    return Span(
        found.name,
        found.kind,
        found.start,
        found.end,
        attributes_of(found.attributes),
        _exceptions([(each.time, each) for each in events], lambda each: attributes_of(each.attributes)),
        {"trace_id": found.trace_id.hex(), "span_id": found.span_id.hex()},
        found.status.code == ERROR,
    )


def read_json(record: bytes) -> Span:
    """The same of a JSON object; raise `Rejected`."""
    found = object_of(record)
    kind, status = found.get("kind"), found.get("status")
    events = [each for each in list_of(found, "events") if isinstance(each, dict)]
    return Span(
        text_of_field(found, "name"),
        kind if isinstance(kind, int) else _KINDS.get(str(kind), 0),
        integer_of(found, "startTimeUnixNano"),
        integer_of(found, "endTimeUnixNano"),
        attributes_of_pairs(found.get("attributes")),
        _exceptions(
            [(integer_of(each, "timeUnixNano"), each) for each in events],
            lambda each: attributes_of_pairs(each.get("attributes")),
        ),
        {"trace_id": hex_of(found, "traceId"), "span_id": hex_of(found, "spanId")},
        isinstance(status, dict) and status.get("code") in (ERROR, "STATUS_CODE_ERROR"),
    )


def _exceptions(events: list[tuple[int, Any]], read: Callable[[Any], Attributes]) -> list[SpanEvent]:
    found = [SpanEvent(ms_of(time_ns), read(each)) for time_ns, each in events]
    return [each for each in found if is_exception(each.attributes)][:MAX_EXCEPTIONS]


def rows_of_span(
    span: Span, origin: Origin, event_id: Callable[[bytes], str]
) -> list[MappedEvent | MetricPoint]:
    """What a span becomes, `event_id` making the ids of its exceptions; raise `Rejected`."""
    rows: list[MappedEvent | MetricPoint] = []
    if span.kind in (SERVER, CLIENT):
        rows.append(_response(span, origin))
    for place, exception in enumerate(span.exceptions):
        context = context_of(span.attributes | exception.attributes, origin, span.ids)
        ts_ms = exception.ts_ms if exception.ts_ms is not None else ms_of(span.end_ns)
        rows.append(error_of(event_id(b"%d" % place), ts_ms, exception.attributes, context))
    return rows


def _response(span: Span, origin: Origin) -> MetricPoint:
    if not span.start_ns or not span.end_ns:
        raise Rejected("invalid_ts", "startTimeUnixNano, endTimeUnixNano: must be given")
    method, status = first_of(METHOD, span.attributes), first_of(STATUS, span.attributes)
    point = vocabulary.api_response(
        (span.end_ns - span.start_ns) / 1e9,
        endpoint=endpoint_of(span.name, span.attributes, is_server=span.kind == SERVER),
        method=method,
        # HTTP without a status: nobody answered.
        status=status or ("0" if method and span.kind == CLIENT and span.failed else ""),
        ts=ms_of(span.end_ns),
    )
    service = vocabulary.labels(**{"service.name": first_of(("service.name",), origin.resource)})
    point.labels = {**point.labels, **service}
    return point
