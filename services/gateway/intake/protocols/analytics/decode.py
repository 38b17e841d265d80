"""The bodies of `/api/analytics/*`: one object, a list, or a list under a name.

Milliseconds UTC. Invariant: each item is taken, or refused by itself under its own index.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec
import orjson

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import BROKEN, malformed, mended
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.protocols.analytics.map import (
    Item,
    MappedEvent,
    event_columns,
    event_of,
    point_columns,
    step_of,
)
from services.gateway.intake.protocols.analytics.metrics import point_of
from shared.errors import Rejected

T = TypeVar("T")

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class AnalyticsMetrics:
    """Decodes web vitals and other performance metrics, to points."""

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the metrics that are understood."""
        raws = _items(request.body, "metrics", "points", self._max_points)
        points, index, refused = _mapped(raws, lambda item, _: point_of(item))
        return RequestColumns(point_columns(points, index, request.received_at_ms), refused=refused)


class AnalyticsEvents:
    """Decodes events under the names of older clients."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the events that are understood."""
        return _events(request, "events", self._max_events, event_of)


class AnalyticsSteps:
    """Decodes steps of a funnel, to events."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the steps that are understood."""
        return _events(request, "steps", self._max_events, step_of)


class _Mapped(NamedTuple, Generic[T]):
    """What has become of the items of a body."""

    rows: list[T]
    indices: list[int]
    """The place that each row had."""
    refused: list[Rejection]


def _events(
    request: Request, name: str, limit: int, event: Callable[[Item, bytes, int], MappedEvent]
) -> RequestColumns:
    raws = _items(request.body, name, "events", limit)
    events, index, refused = _mapped(raws, lambda item, raw: event(item, raw, request.tenant_id))
    return RequestColumns(events=event_columns(events, index, request.received_at_ms), refused=refused)


def _mapped(raws: list[bytes], row_of: Callable[[Item, bytes], T]) -> _Mapped[T]:
    """Each item and its bytes as a row, or refused."""
    mapped: _Mapped[T] = _Mapped([], [], [])
    for at, raw in enumerate(raws):
        try:
            mapped.rows.append(row_of(_object(raw), raw))
            mapped.indices.append(at)
        except Rejected as error:
            mapped.refused.append(Rejection(at, error.code, error.message))
    return mapped


def _items(body: bytes, name: str, signal: str, limit: int) -> list[bytes]:
    """The bytes of each item; raise `Rejected` for none, or too many."""
    content = mended(body)
    try:
        outer = _outer.decode(content)
        found = outer.get(name, content) if isinstance(outer, dict) else content
        one = bytes(found).strip()
        items = list(map(bytes, _list.decode(one))) if one.startswith(b"[") else [one]
    except msgspec.ValidationError as error:
        raise Rejected("invalid_body", f"{name}: must be an object, or a list of objects") from error
    except BROKEN as error:
        raise malformed(error) from error
    check_size(signal, len(items), limit)
    return items


def _object(raw: bytes) -> Item:
    try:
        item = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Rejected("invalid_item", "item: holds a number or a text that cannot be read") from error
    if not isinstance(item, dict):
        raise Rejected("invalid_item", "item: must be an object")
    return item
