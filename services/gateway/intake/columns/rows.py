"""Points and events that a protocol makes one by one, and their columns.

Milliseconds UTC. Invariant: an event without an id gets the same one whenever the same bytes come again, and equal
items of one request get different ones.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from services.gateway.intake.columns.contract import EventColumns, PointColumns, RequestColumns
from services.gateway.intake.columns.event_fields import EventFields, event_misfit
from services.gateway.intake.columns.json import time_of
from services.gateway.intake.domain.admission import Rejection
from services.gateway.intake.steps import Steps, finished
from shared.errors import Rejected

Item = TypeVar("Item")
T = TypeVar("T")

Time = int | datetime | None
"""When the client says it happened; None: it does not say."""


class MetricPoint(msgspec.Struct, gc=False):
    """One point."""

    name: str
    value: float
    unit: str
    labels: Mapping[str, str]
    kind: str = "gauge"
    ts: Time = None
    weight: float = 1.0
    """Negative: it takes back."""


class MappedEvent(NamedTuple):
    """An event with its properties beside it."""

    fields: EventFields
    properties: msgspec.Raw


Row = MetricPoint | MappedEvent

STEP_ITEMS = 100
"""Items of a step: some milliseconds where each is mapped by itself."""

NOT_KEPT = "not_kept"
"""Code of what is well-formed and has no place here."""


class Mapped(NamedTuple, Generic[T]):
    """What has become of the items of a request."""

    rows: list[T]
    indices: list[int]
    """The place of the item that each row came from; an item may become several rows."""
    refused: list[Rejection]


def mapped(items: Sequence[Item], rows_of: Callable[[Item], Sequence[T | Rejected]]) -> Mapped[T]:
    """Each item as rows, or refused; of an item of several rows some may be refused."""
    return finished(mapping(items, rows_of))


def mapping(items: Sequence[Item], rows_of: Callable[[Item], Sequence[T | Rejected]]) -> Steps[Mapped[T]]:
    """The same in steps."""
    found: Mapped[T] = Mapped([], [], [])
    for at, item in enumerate(items):
        if at and not at % STEP_ITEMS:
            yield
        try:
            rows = rows_of(item)
        except Rejected as error:
            rows = [error]
        for row in rows:
            if isinstance(row, Rejected):
                found.refused.append(Rejection(at, row.code, row.message))
            else:
                found.rows.append(row)
                found.indices.append(at)
    return found


def event_from(fields: Mapping[str, Any], properties: msgspec.Raw) -> MappedEvent:
    """The event of these fields; raise `Rejected` naming the one whose type or length does not fit."""
    try:
        return MappedEvent(msgspec.convert(fields, EventFields), properties)
    except msgspec.ValidationError as error:
        misfit = event_misfit(0, str(error))
        raise Rejected(misfit.code, misfit.message) from error


def point_columns(
    points: Sequence[MetricPoint], index: Sequence[int], received_at_ms: int, *, timed: bool | None = None
) -> PointColumns:
    """The columns of these points; `timed` None: what the points say."""
    weights = np.array([point.weight for point in points], np.float64)
    return PointColumns(
        [point.name for point in points],
        # No JSON text begins like a map of MessagePack, so that these are never taken for labels of `native`.
        [msgspec.msgpack.encode(point.labels) for point in points],
        lambda row: points[row].labels,
        [(point.kind, point.unit) for point in points],
        np.array([time_of(point.ts, received_at_ms) for point in points], np.int64),
        np.array([point.value for point in points], np.float64),
        None if (weights == 1).all() else weights,
        timed=None not in [point.ts for point in points] if timed is None else timed,
        index=index,
    )


def event_columns(events: Sequence[MappedEvent], index: Sequence[int], received_at_ms: int) -> EventColumns:
    """The columns of these events."""
    fields = [event.fields for event in events]
    return EventColumns(
        [each.event_id for each in fields],
        [each.type for each in fields],
        [time_of(each.ts, received_at_ms) for each in fields],
        [each.name for each in fields],
        [each.session_id for each in fields],
        [each.user_id for each in fields],
        [event.properties for event in events],
        index,
    )


def columns_of(found: Mapped[Row], received_at_ms: int, *, timed: bool | None = None) -> RequestColumns:
    """The columns of rows of both signals, in their order."""
    points, points_at, events, events_at = [], [], [], []
    for row, at in zip(found.rows, found.indices, strict=True):
        if isinstance(row, MetricPoint):
            points.append(row)
            points_at.append(at)
        else:
            events.append(row)
            events_at.append(at)
    columns = RequestColumns(refused=found.refused)
    if points:
        columns.points = point_columns(points, points_at, received_at_ms, timed=timed)
    if events:
        columns.events = event_columns(events, events_at, received_at_ms)
    return columns


def within(found: RequestColumns, max_points: int, max_events: int) -> RequestColumns:
    """The same columns; raise `Rejected` for too many points or events."""
    if found.points is not None and len(found.points.name) > max_points:
        raise Rejected("too_many_points", f"points: at most {max_points} a request")
    if found.events is not None and len(found.events.type) > max_events:
        raise Rejected("too_many_events", f"events: at most {max_events} a request")
    return found


class ContentIds:
    """Ids for the events of one request that bear none."""

    __slots__ = ("_owner", "_seen")

    def __init__(self, tenant_id: int, beside: bytes = b"") -> None:
        """`beside`: what the request says once for all of them, such as their session."""
        self._owner = b"%d " % tenant_id + beside
        self._seen = Counter[bytes]()

    def of(self, content: bytes) -> str:
        """The id of an event that came as these bytes."""
        before = self._seen[content]
        self._seen[content] += 1
        place = b" %d" % before if before else b""
        return blake2b(self._owner + content + place, digest_size=16).hexdigest()
