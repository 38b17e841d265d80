"""Which decoder answers which path, and in which dialect: the one list of all protocols.

A protocol is a folder here and its lines in `protocol_routes`. A path may hold `{names}`, each for one segment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.gateway.intake.columns.contract import Decoder
from services.gateway.intake.protocols.analytics.decode import (
    AnalyticsAlerts,
    AnalyticsEvents,
    AnalyticsMetrics,
    AnalyticsSteps,
)
from services.gateway.intake.protocols.beacon.decode import Vitals
from services.gateway.intake.protocols.browser.decode import BrowserItems
from services.gateway.intake.protocols.browser.dialect import BrowserDialect
from services.gateway.intake.protocols.dialect import BeaconDialect, Dialect, Fixed
from services.gateway.intake.protocols.faro.decode import Faro
from services.gateway.intake.protocols.faro.dialect import FaroDialect
from services.gateway.intake.protocols.influx.decode import InfluxLines
from services.gateway.intake.protocols.influx.dialect import WRITE, InfluxDialect, fixed_answers
from services.gateway.intake.protocols.native.decode import NativeEvents, NativePoints
from services.gateway.intake.protocols.otlp.decode import OtlpMetrics
from services.gateway.intake.protocols.otlp.dialect import OtlpDialect
from services.gateway.intake.protocols.otlp.records import OtlpLogs, OtlpTraces
from services.gateway.intake.protocols.posthog.decode import Capture
from services.gateway.intake.protocols.posthog.dialect import CONFIG, FLAGS, PostHogDialect, fixed
from services.gateway.intake.protocols.remote_write.decode import RemoteWrite
from services.gateway.intake.protocols.remote_write.dialect import RemoteWriteDialect
from services.gateway.intake.protocols.sentry.decode import SentryEnvelopes, SentryStore
from services.gateway.intake.protocols.sentry.dialect import SentryDialect, TunnelDialect
from services.gateway.intake.protocols.statsd.decode import StatsdLines
from services.gateway.intake.protocols.statsd.dialect import StatsdDialect
from shared.model.batch_id import Signal

POINTS = "/v1/telemetry"
"""Where points are posted."""

OTLP_METRICS = "/v1/metrics"
"""Where OpenTelemetry's exporters post metrics."""

OTLP_LOGS = "/v1/logs"
"""Where they post logs."""

OTLP_TRACES = "/v1/traces"
"""Where they post spans."""

RESOURCE_LABELS = ("service.name",)
"""Attributes of OTLP's resources that are labels, unless a setting says others."""

EVENTS = "/v1/events"
"""Where events are posted."""

METRICS = "/api/analytics/performance/metrics"
"""Where browsers post web vitals and timings."""

CLIENT_ALERTS = "/api/analytics/performance/alerts"
"""Where older clients post alerts that they raise by themselves."""

USER_EVENTS = "/api/analytics/events"
"""Where older clients post events."""

STEPS = "/api/analytics/funnel"
"""Where they post steps of a funnel."""

REMOTE_WRITE = ("/api/v1/write", "/api/v1/push")
"""Where Prometheus and its kin write; the second is the path of Mimir and Cortex."""

INFLUX = ("/api/v2/write", WRITE)
"""Where line protocol is posted, in both versions of InfluxDB's API."""

STATSD = "/v1/statsd"
"""Where StatsD lines are posted."""

VITALS = "/v1/vitals"
"""Where pages post what the web-vitals library reports."""

BROWSER = "/v1/browser"
"""Where our browser client posts."""

FARO = "/collect/{key}"
"""Where Grafana Faro posts."""


ENVELOPES = ("/api/{project}/envelope/", "/api/{project}/envelope")
"""Where Sentry's SDKs post; some leave the slash out."""

STORE = ("/api/{project}/store/", "/api/{project}/store")
"""Where older ones post a single event."""

TUNNEL = "/v1/sentry-tunnel"
"""Where pages post envelopes whose DSN holds the key."""

CAPTURE = ("/i/v0/e/", "/e/", "/batch/", "/capture/")
"""Where PostHog's clients post."""

BOTH: tuple[Signal, ...] = ("points", "events")
"""What most SDKs bring."""


class ProtocolRoute(NamedTuple):
    """What answers a path."""

    signals: tuple[Signal, ...]
    """Which columns its decoder may fill; answers are counted under the first."""
    decoder: Decoder
    dialect: Dialect
    summary: str
    """What it is for, in the documentation."""
    scope: str = "write"
    """What a key must grant."""
    path: str = ""
    """Where it is, with its `{names}`."""


def protocol_routes(
    max_points: int, max_events: int, resource_labels: Sequence[str] = RESOURCE_LABELS
) -> dict[str, ProtocolRoute]:
    """The routes by path; a request holds at most so many points, or events."""
    native, beacon = Dialect(), BeaconDialect()
    written = ProtocolRoute(("points",), RemoteWrite(), RemoteWriteDialect(), "Prometheus remote write")
    lines = ProtocolRoute(("points",), InfluxLines(), InfluxDialect(), "InfluxDB line protocol")
    both: tuple[Signal, ...] = ("points", "events")
    return {
        POINTS: ProtocolRoute(("points",), NativePoints(max_points), native, "Post points"),
        **_otlp(resource_labels),
        EVENTS: ProtocolRoute(("events",), NativeEvents(max_events), native, "Post events"),
        METRICS: ProtocolRoute(
            ("points",), AnalyticsMetrics(max_points), beacon, "Post web vitals and timings"
        ),
        CLIENT_ALERTS: ProtocolRoute(
            ("events",), AnalyticsAlerts(max_events), beacon, "Post alerts of the client"
        ),
        USER_EVENTS: ProtocolRoute(("events",), AnalyticsEvents(max_events), beacon, "Post user events"),
        STEPS: ProtocolRoute(("events",), AnalyticsSteps(max_events), beacon, "Post funnel steps"),
        **dict.fromkeys(REMOTE_WRITE, written),
        **dict.fromkeys(INFLUX, lines),
        STATSD: ProtocolRoute(("points",), StatsdLines(), StatsdDialect(), "StatsD lines"),
        VITALS: ProtocolRoute(("points",), Vitals(max_points), beacon, "Post web vitals"),
        BROWSER: ProtocolRoute(
            both,
            BrowserItems(max_points, max_events),
            BrowserDialect(),
            "Post what the browser client has seen",
        ),
        FARO: ProtocolRoute(
            both, Faro(max_points, max_events), FaroDialect(), "Post payloads of Grafana Faro"
        ),
        **_sentry(max_points, max_events),
        **_posthog(max_points, max_events),
    }


def _sentry(max_points: int, max_events: int) -> dict[str, ProtocolRoute]:
    envelopes, dialect = SentryEnvelopes(max_points, max_events), SentryDialect()
    posted = ProtocolRoute(BOTH, envelopes, dialect, "Post an envelope of Sentry's SDKs")
    stored = ProtocolRoute(BOTH, SentryStore(), dialect, "Post one event of Sentry's older SDKs")
    tunnelled = ProtocolRoute(BOTH, envelopes, TunnelDialect(), "Post an envelope whose DSN holds the key")
    return dict.fromkeys(ENVELOPES, posted) | dict.fromkeys(STORE, stored) | {TUNNEL: tunnelled}


def _posthog(max_points: int, max_events: int) -> dict[str, ProtocolRoute]:
    captured = ProtocolRoute(
        BOTH, Capture(max_points, max_events), PostHogDialect(), "Post events of PostHog's clients"
    )
    return dict.fromkeys(CAPTURE, captured)


def _otlp(resource_labels: Sequence[str]) -> dict[str, ProtocolRoute]:
    return {
        OTLP_METRICS: ProtocolRoute(
            ("points",),
            OtlpMetrics(resource_labels),
            OtlpDialect("DataPoints"),
            "Post metrics of OpenTelemetry",
        ),
        OTLP_LOGS: ProtocolRoute(
            ("events", "points"), OtlpLogs(), OtlpDialect("LogRecords"), "Post logs of OpenTelemetry"
        ),
        OTLP_TRACES: ProtocolRoute(
            ("points", "events"), OtlpTraces(), OtlpDialect("Spans"), "Post traces of OpenTelemetry"
        ),
    }


def fixed_routes() -> dict[str, Fixed]:
    """What clients ask for beside posting, by path."""
    flags = fixed({"POST"}, FLAGS)
    config = fixed({"GET"}, CONFIG)
    return fixed_answers() | {"/array/{key}/config": config, "/flags/": flags, "/decide/": flags}


PATHS = tuple(protocol_routes(1, 1))
"""All paths that take something in, each with POST."""

FIXED_PATHS = {path: fixed.methods for path, fixed in fixed_routes().items()}
"""The other paths, each with its methods."""
