"""The bodies of `/api/analytics/*`: one object, a list, or a list under a name.

Milliseconds UTC. Invariant: each item is taken, or refused by itself under its own index.
"""

from collections.abc import Callable

from services.gateway.intake.columns.contract import Request, RequestColumns, check_size
from services.gateway.intake.columns.json import items_of, object_of
from services.gateway.intake.columns.rows import (
    ContentIds,
    MappedEvent,
    MetricPoint,
    event_columns,
    mapped,
    point_columns,
)
from services.gateway.intake.protocols.analytics.map import Item, alert_of, event_of, step_of
from services.gateway.intake.protocols.analytics.metrics import is_known_again, points_of


class AnalyticsMetrics:
    """Decodes web vitals and other performance metrics, to points."""

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the metrics that are understood."""
        raws = items_of(request.body, "metrics")
        check_size("points", len(raws), self._max_points)
        known: list[bool] = []

        def rows_of(raw: bytes) -> list[MetricPoint]:
            item = object_of(raw)
            points = points_of(item)
            known.append(is_known_again(item, points))
            return points

        points, index, refused = mapped(raws, rows_of)
        columns = point_columns(points, index, request.received_at_ms, timed=all(known))
        return RequestColumns(columns, refused=refused)


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


class AnalyticsAlerts:
    """Decodes alerts that clients raise by themselves, to events."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events

    def decode(self, request: Request) -> RequestColumns:
        """The columns of the alerts that are understood."""
        return _events(request, "alerts", self._max_events, alert_of)


def _events(
    request: Request, name: str, limit: int, event: Callable[[Item, bytes, ContentIds], MappedEvent]
) -> RequestColumns:
    raws, ids = items_of(request.body, name), ContentIds(request.tenant_id)
    check_size("events", len(raws), limit)
    events, index, refused = mapped(raws, lambda raw: [event(object_of(raw), raw, ids)])
    return RequestColumns(events=event_columns(events, index, request.received_at_ms), refused=refused)
