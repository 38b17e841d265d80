"""What the two senders carry: points as they were made, events as JSON already.

An event may hold anything of the caller's, which may change the moment after; a point is cheap to keep and is made by
the thousand. The law: defaults are left out, for the gateway is quickest at name, value, ts and labels alone.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from tidegauge_client.checks import compact

Item = TypeVar("Item")


class Histogram(NamedTuple):
    """How many values lay in each bucket, checked."""

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
    """How the items of a signal travel."""

    name: str
    """What they are called, in the body too."""
    path: str
    """Where they are posted, below the gateway's address."""
    pack: Callable[[Sequence[Item]], bytes]
    """The body that carries them."""
    unpack: Callable[[Item], dict[str, Any]]
    """One of them as the gateway sees it."""


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


POINTS = Signal("points", "/v1/telemetry", _pack_points, _fields)
"""Values at instants."""

EVENTS: Signal[str] = Signal("events", "/v1/events", _pack_events, json.loads)
"""Occurrences with a body."""
