"""What makes the bodies of each protocol, by the protocol's folder; a test holds that each path has one."""

from collections.abc import Mapping, Sequence

from tests.support.wild import browsers, lines, native, otlp, posthog, remote_write, sentry
from tests.support.wild.wild_body import Maker

MAKERS: Mapping[str, Sequence[Maker]] = {
    "native": (native.points, native.events),
    "analytics": (native.metrics, native.user_events, native.steps, native.alerts),
    "beacon": (browsers.vitals,),
    "browser": (browsers.browser,),
    "faro": (browsers.faro,),
    "influx": (lines.influx,),
    "statsd": (lines.statsd,),
    "remote_write": (remote_write.first, remote_write.second),
    "sentry": (sentry.envelope, sentry.envelope, sentry.envelope, sentry.store),
    "posthog": (posthog.batch, posthog.batch, posthog.event),
    "otlp": (
        otlp.metrics_json, otlp.metrics_protobuf, otlp.logs_json, otlp.logs_protobuf, otlp.traces_json,
        otlp.traces_protobuf,
    ),
}  # fmt: skip
"""A maker that stands twice makes twice as many bodies."""
