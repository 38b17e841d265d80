"""The protobuf messages of remote write, as far as they are read.

The descriptors are built here and not by protoc: generated code demands a runtime as new as the protoc that made it.
Labels, samples and values are read as bytes or bits where their bytes are what is looked at. Fields that are left out,
such as exemplars, are skipped as unknown ones. Numbers of fields: prometheus/prometheus, `prompb/types.proto` and
`prompb/io/prometheus/write/v2/types.proto`.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto

_TYPES = {
    "bytes": _Field.TYPE_BYTES, "double": _Field.TYPE_DOUBLE, "fixed64": _Field.TYPE_FIXED64,
    "int32": _Field.TYPE_INT32, "int64": _Field.TYPE_INT64, "sint32": _Field.TYPE_SINT32,
    "sint64": _Field.TYPE_SINT64, "uint32": _Field.TYPE_UINT32, "uint64": _Field.TYPE_UINT64,
}  # fmt: skip

_MESSAGES = {
    "Label": "bytes name 1, bytes value 2",
    "Sample": "fixed64 value 1, int64 timestamp 2, int64 start_timestamp 3",
    "Span": "sint32 offset 1, uint32 length 2",
    "Histogram": (
        "fixed64 sum 3, sint32 schema 4, double zero_threshold 5, uint64 zero_count_int 6, double zero_count_float 7,"
        "*Span negative_spans 8, *sint64 negative_deltas 9, *double negative_counts 10,"
        "*Span positive_spans 11, *sint64 positive_deltas 12, *double positive_counts 13,"
        "int32 reset_hint 14, int64 timestamp 15, *double custom_values 16, int64 start_timestamp 17"
    ),
    "Metadata": "int32 type 1, bytes family 2",
    "Series": "*bytes labels 1, *Sample samples 2, *Histogram histograms 4",
    "WriteRequest": "*bytes timeseries 1, *Metadata metadata 3",
    "Metadata2": "int32 type 1",
    "Series2": "*uint32 labels_refs 1, *Sample samples 2, *Histogram histograms 3, Metadata2 metadata 5",
    "Request2": "*bytes symbols 4, *Series2 timeseries 5",
    "Outline2": "*bytes timeseries 5",
    "Counted2": "*bytes samples 2, *bytes histograms 3",
    "CountedRequest2": "*Counted2 timeseries 5",
}
"""Fields as type, name and number; `*`: repeated."""


def _field(text: str) -> Any:
    kind, name, number = text.split()
    repeated, type_name = kind.startswith("*"), kind.lstrip("*")
    return _Field(
        name=name,
        number=int(number),
        label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
        type=_TYPES.get(type_name, _Field.TYPE_MESSAGE),
        type_name=None if type_name in _TYPES else f".remote_write.{type_name}",
    )


def _classes() -> dict[str, Any]:
    """A class for each message, from a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(
        name="remote_write.proto", package="remote_write", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name, field=map(_field, fields.split(",")))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"remote_write.{name}"))
        for name in _MESSAGES
    }


_class = _classes()
Label, Metadata = _class["Label"], _class["Metadata"]
Series, WriteRequest = _class["Series"], _class["WriteRequest"]
Request2, CountedRequest2, Outline2 = _class["Request2"], _class["CountedRequest2"], _class["Outline2"]
