"""Attributes out of protobuf and JSON: a key and a value of one of seven types, or an empty one.

Of two attributes of one key the last counts. What cannot be read refuses the point that bears it, and nothing else.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from services.gateway.intake.columns.json import mended
from services.gateway.intake.protocols.otlp.map import Attributes, Value
from services.gateway.intake.protocols.otlp.schema import BROKEN, MESSAGES, Message
from shared.errors import Rejected

MAX_DEPTH = 16
"""Levels of lists and maps in a value."""

_KeyValue = MESSAGES["KeyValue"]


def unreadable() -> Rejected:
    """The refusal of attributes that are none."""
    return Rejected("invalid_attributes", "attributes: must be keys with values of OTLP, in valid UTF-8")


def attributes_of(fields: Iterable[bytes]) -> Attributes:
    """The attributes of serialised `KeyValue`s; raise `Rejected`."""
    try:
        pairs = [_KeyValue.FromString(field) for field in fields]
    except BROKEN as error:
        raise unreadable() from error
    return {pair.key: value_of(pair.value) for pair in pairs}


def attributes_of_json(text: bytes) -> Attributes:
    """The attributes of a JSON list of `KeyValue`s, none where there is no text; raise `Rejected`."""
    try:
        return attributes_of_pairs(orjson.loads(mended(text)) if text else None)
    except orjson.JSONDecodeError as error:
        raise unreadable() from error


def attributes_of_pairs(pairs: object) -> Attributes:
    """The attributes of such a list when it is read, none for null; raise `Rejected`."""
    try:
        return _read_pairs([] if pairs is None else pairs)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise unreadable() from error


def value_of(value: Message, depth: int = 0) -> Value:
    """The value of an `AnyValue`; raise `Rejected` for one that is nested too deeply."""
    name = value.WhichOneof("value")
    if name is None:
        return None
    found = getattr(value, name)
    if name == "array_value":
        return [value_of(one, _deeper(depth)) for one in found.values]
    if name == "kvlist_value":
        return {pair.key: value_of(pair.value, _deeper(depth)) for pair in found.values}
    plain: Value = found
    return plain


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise Rejected("invalid_attributes", f"attributes: at most {MAX_DEPTH} levels of lists and maps")
    return depth + 1


def _read_pairs(pairs: Any, depth: int = 0) -> Attributes:
    if not isinstance(pairs, list):
        raise TypeError
    return {_text(pair.get("key") or ""): _read_value(pair.get("value"), depth) for pair in pairs}


def _read_value(value: Any, depth: int) -> Value:
    """The value of an `AnyValue`: an object with one field, or none."""
    if value is None:
        return None
    for name, read in _READERS.items():
        if (found := value.get(name)) is not None:
            return read(found, depth)
    return None


def _integer(value: Any, _: int) -> Value:
    """Numbers beyond 64 bits, which JavaScript writes, are doubles."""
    if isinstance(value, str):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return value if isinstance(value, int) and -(1 << 63) <= value < 1 << 63 else float(value)


def _double(value: Any, _: int) -> Value:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _flag(value: Any, _: int) -> Value:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[value]


def _bytes(value: Any, _: int) -> Value:
    text = _text(value).translate(_URL_SAFE).rstrip("=")
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


def _list(value: Any, depth: int) -> Value:
    return [_read_value(one, _deeper(depth)) for one in value.get("values") or ()]


def _map(value: Any, depth: int) -> Value:
    return _read_pairs(value.get("values") or [], _deeper(depth))


def _text(value: Any, _: int = 0) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_URL_SAFE = str.maketrans("-_", "+/")
_READERS: dict[str, Callable[[Any, int], Value]] = {
    "stringValue": _text, "boolValue": _flag, "intValue": _integer, "doubleValue": _double, "bytesValue": _bytes,
    "arrayValue": _list, "kvlistValue": _map,
}  # fmt: skip
