"""The messages of OTLP, declared as far as they are read, and some of them as bytes.

Times are nanoseconds since 1970. Points and attributes stay bytes: most of them have come before and need not be parsed
again. Embedded messages that stay bytes are declared `repeated`, for a parser merges those that come twice, and joined
bytes are a merged message. Names and numbers of fields are those of opentelemetry-proto 1.10.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

Message = Any
"""A message of the schema; its fields are given to it at run time."""

BROKEN = (message.DecodeError, UnicodeDecodeError)
"""What parsing raises for bytes that are no such message."""

_PACKAGE = "tidegauge.otlp"

_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    # `*`: repeated; `name:type`: a member of the oneof of that name, which tells whether it was given.
    "MetricsRequest": [("resource_metrics", 1, "*ResourceMetrics")],
    "ResourceMetrics": [("resource", 1, "*bytes"), ("scope_metrics", 2, "*ScopeMetrics")],
    "ScopeMetrics": [("scope", 1, "*bytes"), ("metrics", 2, "*Metric")],
    "Metric": [
        ("name", 1, "bytes"), ("unit", 3, "bytes"), ("gauge", 5, "data:Points"), ("sum", 7, "data:Points"),
        ("histogram", 9, "data:Points"), ("exponential_histogram", 10, "data:Points"), ("summary", 11, "data:Points"),
    ],
    "Points": [("data_points", 1, "*bytes"), ("temporality", 2, "int32"), ("monotonic", 3, "bool")],
    "NumberPoint": [
        ("start", 2, "fixed64"), ("time", 3, "fixed64"), ("as_double", 4, "value:double"),
        ("as_int", 6, "value:sfixed64"), ("attributes", 7, "*bytes"), ("flags", 8, "uint32"),
    ],
    "HistogramPoint": [
        ("start", 2, "fixed64"), ("time", 3, "fixed64"), ("count", 4, "fixed64"), ("sum", 5, "total:double"),
        ("bucket_counts", 6, "*fixed64"), ("explicit_bounds", 7, "*double"), ("attributes", 9, "*bytes"),
        ("flags", 10, "uint32"),
    ],
    "ExponentialPoint": [
        ("attributes", 1, "*bytes"), ("start", 2, "fixed64"), ("time", 3, "fixed64"), ("scale", 6, "sint32"),
        ("zero_count", 7, "fixed64"), ("positive", 8, "Span"), ("negative", 9, "Span"), ("flags", 10, "uint32"),
    ],
    "Span": [("offset", 1, "sint32"), ("bucket_counts", 2, "*uint64")],
    "SummaryPoint": [
        ("start", 2, "fixed64"), ("time", 3, "fixed64"), ("count", 4, "fixed64"), ("sum", 5, "double"),
        ("quantile_values", 6, "*Quantile"), ("attributes", 7, "*bytes"), ("flags", 8, "uint32"),
    ],
    "Quantile": [("quantile", 1, "double"), ("value", 2, "double")],
    "LogsRequest": [("resource_logs", 1, "*ResourceLogs")],
    "ResourceLogs": [("resource", 1, "*bytes"), ("scope_logs", 2, "*ScopeLogs")],
    "ScopeLogs": [("scope", 1, "*bytes"), ("log_records", 2, "*bytes")],
    "LogRecord": [
        ("time", 1, "fixed64"), ("severity", 2, "int32"), ("severity_text", 3, "string"), ("body", 5, "AnyValue"),
        ("attributes", 6, "*bytes"), ("trace_id", 9, "bytes"), ("span_id", 10, "bytes"), ("observed", 11, "fixed64"),
        ("event_name", 12, "string"),
    ],
    "TraceRequest": [("resource_spans", 1, "*ResourceSpans")],
    "ResourceSpans": [("resource", 1, "*bytes"), ("scope_spans", 2, "*ScopeSpans")],
    "ScopeSpans": [("scope", 1, "*bytes"), ("spans", 2, "*bytes")],
    "TracedSpan": [
        ("trace_id", 1, "bytes"), ("span_id", 2, "bytes"), ("name", 5, "string"), ("kind", 6, "int32"),
        ("start", 7, "fixed64"), ("end", 8, "fixed64"), ("attributes", 9, "*bytes"), ("events", 11, "*bytes"),
        ("status", 15, "SpanStatus"),
    ],
    "SpanEvent": [("time", 1, "fixed64"), ("name", 2, "string"), ("attributes", 3, "*bytes")],
    "SpanStatus": [("message", 2, "string"), ("code", 3, "int32")],
    "Spelling": [("attributes", 7, "*bytes")],
    "Resource": [("attributes", 1, "*bytes")],
    "Scope": [("name", 1, "string"), ("version", 2, "string"), ("attributes", 3, "*bytes")],
    "KeyValue": [("key", 1, "string"), ("value", 2, "AnyValue")],
    "AnyValue": [
        ("string_value", 1, "value:string"), ("bool_value", 2, "value:bool"), ("int_value", 3, "value:int64"),
        ("double_value", 4, "value:double"), ("array_value", 5, "value:ArrayValue"),
        ("kvlist_value", 6, "value:KeyValueList"), ("bytes_value", 7, "value:bytes"),
    ],
    "ArrayValue": [("values", 1, "*AnyValue")],
    "KeyValueList": [("values", 1, "*KeyValue")],
    "Response": [("partial_success", 1, "PartialSuccess")],
    "PartialSuccess": [("rejected", 1, "int64"), ("error_message", 2, "string")],
    "Status": [("code", 1, "int32"), ("message", 2, "string")],
}  # fmt: skip
"""Message -> (field, number, type)."""

_Field = descriptor_pb2.FieldDescriptorProto


def _messages() -> dict[str, type[Message]]:
    """A class for each message, from a pool of their own: a file of the same name may be in the default one."""
    file = descriptor_pb2.FileDescriptorProto(name="tidegauge_otlp.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        _declare(file.message_type.add(name=name), fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _declare(declared: Any, fields: Iterable[tuple[str, int, str]]) -> None:
    oneofs: list[str] = []
    for name, number, spelt in fields:
        oneof, _, kind = spelt.rpartition(":")
        field = declared.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        if kind.startswith("*"):
            field.label, kind = _Field.LABEL_REPEATED, kind[1:]
        if kind in _MESSAGES:
            field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        else:
            field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
        if oneof:
            if oneof not in oneofs:
                oneofs.append(oneof)
                declared.oneof_decl.add(name=oneof)
            field.oneof_index = oneofs.index(oneof)


MESSAGES = _messages()
"""The classes by name."""
