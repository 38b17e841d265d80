"""What `/metrics` says of the feed. Looking costs no request anything: plain numbers are read when asked.

Spans are seconds.
"""

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.gateway.query.feed.windows_topic import WindowsTopic
from shared.runtime.clock import now_ms
from shared.runtime.instruments import Count, observe_counts


def show(meter: Meter, topic: WindowsTopic) -> None:
    """Give the feed its instruments."""
    state = topic.feed.state

    def lag(_: CallbackOptions) -> Iterable[Observation]:
        lag_ms = state.lag_ms(now_ms())
        return [] if lag_ms is None else [Observation(lag_ms / 1000)]

    meter.create_observable_gauge(
        "gateway_feed_lag_seconds",
        [lag],
        description="How long ago all partitions of the topic of windows were read to their ends",
    )
    meter.create_observable_gauge(
        "gateway_feed_behind_records",
        [lambda _: [Observation(topic.behind)]],
        description="Records of the topic of windows that wait to be read",
    )
    observe_counts(
        meter,
        [
            Count("gateway_feed_unreadable", "Records that could not be read", lambda: state.unreadable),
            Count("gateway_feed_sessions", "How often the reading began", lambda: topic.sessions),
        ],
    )
