"""Attributes of OTLP in JSON and in protobuf, as SDKs write them."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.support.remote_write import double, part, varint

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"


def attributes(said: Mapping[str, Value]) -> list[bytes]:
    """Serialised `KeyValue`s."""
    return [part(1, name.encode()) + part(2, any_value(value)) for name, value in said.items()]


def any_value(value: Value) -> bytes:
    """A serialised `AnyValue`; an empty one for None."""
    return b"" if value is None else _IN_PROTOBUF[type(value)](value)


def attributes_in_json(said: Mapping[str, Value]) -> list[Any]:
    """The same in JSON."""
    return [{"key": name, "value": value_in_json(value)} for name, value in said.items()]


def value_in_json(value: Value) -> dict[str, Any]:
    """An `AnyValue` in JSON."""
    if value is None:
        return {}
    name, written = _IN_JSON[type(value)]
    return {name: written(value)}


_IN_PROTOBUF: Mapping[type, Callable[[Any], bytes]] = {
    bool: lambda value: varint(2 << 3) + varint(value),
    str: lambda value: part(1, value.encode()),
    int: lambda value: varint(3 << 3) + varint(value),
    float: lambda value: varint(4 << 3 | 1) + (double(1, value)[1:] or bytes(8)),
    bytes: lambda value: part(7, value),
    list: lambda value: part(5, b"".join(part(1, any_value(one)) for one in value)),
    dict: lambda value: part(6, b"".join(part(1, one) for one in attributes(value))),
}
_IN_JSON: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    bool: ("boolValue", bool),
    str: ("stringValue", str),
    int: ("intValue", str),
    float: ("doubleValue", lambda value: value if value - value == 0 else str(value)),
    bytes: ("bytesValue", lambda value: b64encode(value).decode()),
    list: ("arrayValue", lambda value: {"values": [value_in_json(one) for one in value]}),
    dict: ("kvlistValue", lambda value: {"values": attributes_in_json(value)}),
}
