"""What the intake makes of a body: a decoder of a protocol, and the admission of its columns behind it."""

from services.gateway.intake.columns.admit_events import AdmittedEvents, admit_events
from services.gateway.intake.columns.admit_points import AdmittedPoints, PointAdmission
from services.gateway.intake.columns.contract import Decoder, Request, RequestColumns
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.protocols.analytics.decode import (
    AnalyticsAlerts,
    AnalyticsEvents,
    AnalyticsMetrics,
    AnalyticsSteps,
)
from services.gateway.intake.protocols.native.decode import NativeEvents, NativePoints
from shared.model.bound import Bound


class PointDecoding:
    """Bodies of points to what may enter; the numbers of series are kept between them."""

    def __init__(
        self, decoder: Decoder, max_series: int, series_limiter: SeriesLimiter | None = None
    ) -> None:
        self._decoder = decoder
        self._admission = PointAdmission(max_series, series_limiter)

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> AdmittedPoints:
        """The points of a body."""
        decoded = self._decoder.decode(Request(body, [], b"", tenant_id, received_at_ms))
        return self._admission.admit(decoded, tenant_id, received_at_ms)

    def nothing(self) -> AdmittedPoints:
        """A request without points."""
        return self._admission.admit(RequestColumns(), 1, 0)

    def bound(self) -> Bound:
        """What is remembered of series."""
        return self._admission.bound()


class EventDecoding:
    """Bodies of events to what may enter."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, body: bytes, tenant_id: int, received_at_ms: int) -> AdmittedEvents:
        """The events of a body."""
        decoded = self._decoder.decode(Request(body, [], b"", tenant_id, received_at_ms))
        return admit_events(decoded, tenant_id, received_at_ms)


def native_points(
    max_points: int, max_series: int, series_limiter: SeriesLimiter | None = None
) -> PointDecoding:
    """Points in our own JSON."""
    return PointDecoding(NativePoints(max_points), max_series, series_limiter)


def native_events(max_events: int) -> EventDecoding:
    """Events in our own JSON."""
    return EventDecoding(NativeEvents(max_events))


class AnalyticsDecoding:
    """The bodies of older clients."""

    def __init__(self, limit: int) -> None:
        self.metrics = PointDecoding(AnalyticsMetrics(limit), 1000).decode
        self.alerts = EventDecoding(AnalyticsAlerts(limit)).decode
        self.legacy_events = EventDecoding(AnalyticsEvents(limit)).decode
        self.steps = EventDecoding(AnalyticsSteps(limit)).decode
