"""The two signals: points as tuples, events as JSON text.

An event is encoded at once, because the caller may change its properties afterwards. A point is cheap to keep and is
encoded with its batch. Fields with default values are left out, because the gateway decodes name, value, ts and labels
alone fastest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from tidegauge_client.checks import compact

Item = TypeVar("Item")


class Histogram(NamedTuple):
    """The number of values in each bucket, checked."""

    bounds: list[float]
    counts: list[float]


class Point(NamedTuple):
    """One value or histogram at one instant, checked."""

    name: str
    value: float | Histogram
    ts_ms: int
    labels: dict[str, str]
    kind: str
    unit: str
    weight: float
    distinct: str | None
    start_ms: int | None


@dataclass(frozen=True)
class Signal(Generic[Item]):
    """How the items of a signal are sent."""

    name: str
    """Name of the signal, and of its list in the body."""
    path: str
    """Path below the gateway's address."""
    pack: Callable[[Sequence[Item]], bytes]
    """Encodes items as a body."""
    known_s: float
    """How long after a first attempt a repeat is known for one: a little less than the gateway's memory."""


def _fields(point: Point) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": point.name,
        "value": point.value,
        "ts": point.ts_ms,
        "labels": point.labels,
    }
    if isinstance(point.value, Histogram):
        fields["histogram"] = fields.pop("value")._asdict()
    if point.kind != "gauge":
        fields["kind"] = point.kind
    if point.unit:
        fields["unit"] = point.unit
    if point.weight != 1.0:
        fields["weight"] = point.weight
    if point.distinct is not None:
        fields["distinct"] = point.distinct
    if point.start_ms is not None:
        fields["start_ts"] = point.start_ms
    return fields


def _bytes(text: str) -> bytes:
    # A lone surrogate, from the name of a file say, would spoil the whole body.
    return text.encode("utf-8", "replace")


def _pack_points(points: Sequence[Point]) -> bytes:
    return _bytes(compact({"points": [_fields(point) for point in points]}))


def _pack_events(events: Sequence[str]) -> bytes:
    return _bytes('{"events":[' + ",".join(events) + "]}")


POINTS = Signal("points", "/v1/telemetry", _pack_points, 14 * 60.0)
"""Values at instants; their batches are known for 15 minutes."""

EVENTS: Signal[str] = Signal("events", "/v1/events", _pack_events, 6 * 86_400.0)
"""Occurrences with a body; each is known by its id for 7 days."""
