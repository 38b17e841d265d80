"""OpenTelemetry's metrics as ours: which kind a stream is of, and the text that an attribute is as a label.

Invariant: each value of an attribute has one text, and values of another type have another identity.
"""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, TypeAlias

import msgspec

from shared.errors import Rejected

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"
"""An attribute's value; None: it came empty."""

Attributes = dict[str, Value]

GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = "gauge", "sum", "histogram", "exponential_histogram", "summary"
"""What a metric holds, by the names of the fields that hold it."""

DELTA, CUMULATIVE = 1, 2
"""Aggregation temporalities."""

_TEMPORALITIES = {
    DELTA: DELTA, "1": DELTA, "AGGREGATION_TEMPORALITY_DELTA": DELTA,
    CUMULATIVE: CUMULATIVE, "2": CUMULATIVE, "AGGREGATION_TEMPORALITY_CUMULATIVE": CUMULATIVE,
}  # fmt: skip


def kind_of(data: str, temporality: object, *, monotonic: bool) -> str:
    """Our kind of the points of a metric; raise `Rejected` for a sum or a histogram that says no temporality.

    A sum that may fall is a level: a gauge as it comes, `delta` where its changes come. A total of buckets is of kind
    `histogram`. The points of a summary have kinds of their own; this is that of its totals.
    """
    if data == GAUGE:
        return "gauge"
    if data == SUMMARY:
        return "cumulative"
    found = _TEMPORALITIES.get(temporality) if isinstance(temporality, (int, str)) else None
    if found is None:
        raise Rejected("invalid_temporality", "aggregationTemporality: must be 1 (delta) or 2 (cumulative)")
    if found == DELTA:
        return "delta"
    if data == SUM:
        return "cumulative" if monotonic else "gauge"
    return "histogram"


def text_of(value: Value) -> str:
    """The text of an attribute's value as a label.

    A number has the fewest digits that give it back, bytes are base64, and a list or a map is JSON with its keys in
    order, as the Collector has them.
    """
    return _TEXTS.get(type(value), _json)(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str, NoneType: lambda _: "", bool: lambda value: "true" if value else "false", int: str, float: _number,
    bytes: lambda value: b64encode(value).decode(),
}  # fmt: skip


def identity_of(attributes: Mapping[str, Value]) -> bytes:
    """Bytes that are equal for equal attributes alone: types count, the order in which they came does not."""
    return msgspec.msgpack.encode(dict(attributes), order="sorted")
