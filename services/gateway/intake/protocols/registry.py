"""Which decoder answers which path: the one list of all protocols.

A protocol is a folder here and its lines in `protocol_routes`.
"""

from typing import NamedTuple

from services.gateway.intake.columns.contract import Decoder
from services.gateway.intake.protocols.analytics.decode import (
    AnalyticsEvents,
    AnalyticsMetrics,
    AnalyticsSteps,
)
from services.gateway.intake.protocols.native.decode import NativeEvents, NativePoints
from shared.model.batch_id import Signal

POINTS = "/v1/telemetry"
"""Where points are posted."""

EVENTS = "/v1/events"
"""Where events are posted."""

METRICS = "/api/analytics/performance/metrics"
"""Where browsers post web vitals and timings."""

USER_EVENTS = "/api/analytics/events"
"""Where older clients post events."""

STEPS = "/api/analytics/funnel"
"""Where they post steps of a funnel."""

PATHS = (POINTS, EVENTS, METRICS, USER_EVENTS, STEPS)
"""All of them, each with POST."""


class ProtocolRoute(NamedTuple):
    """What answers a path."""

    signal: Signal
    """Which columns its decoder fills."""
    decoder: Decoder
    beacon: bool = False
    """Browsers post to it without headers, so the key may stand in the query."""


def protocol_routes(max_points: int, max_events: int) -> dict[str, ProtocolRoute]:
    """The routes by path; a request holds at most so many points, or events."""
    return {
        POINTS: ProtocolRoute("points", NativePoints(max_points)),
        EVENTS: ProtocolRoute("events", NativeEvents(max_events)),
        METRICS: ProtocolRoute("points", AnalyticsMetrics(max_points), beacon=True),
        USER_EVENTS: ProtocolRoute("events", AnalyticsEvents(max_events), beacon=True),
        STEPS: ProtocolRoute("events", AnalyticsSteps(max_events), beacon=True),
    }
