"""The plain counts of the queries as instruments.

Looking costs no request anything: instruments read plain integers when asked.
"""

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from services.gateway.http.connections import Connections
from shared.model.bound import Bound
from shared.runtime.instruments import observe


def instruments(
    stopped: Mapping[str, int],
    pool: Callable[[], Mapping[str, int]],
    bounds: Sequence[Bound],
    edge: Connections,
    others: Sequence[Callable[[Meter], None]] = (),
) -> MeterProvider:
    """Show stopped partitions by topic, the pool of connections, bounds and what the edge refuses.

    `others` show what is theirs. The provider must be shut down at the end.
    """
    provider = MeterProvider([PrometheusMetricReader()], Resource({"service.name": "tidegauge-gateway"}))
    meter = provider.get_meter("tidegauge.gateway")
    meter.create_observable_gauge(
        "gateway_stopped_partitions",
        [lambda _: [Observation(count, {"topic": topic}) for topic, count in stopped.items()]],
        description="Partitions that are stopped: `tidegauge partitions list` says why",
    )
    meter.create_observable_gauge(
        "gateway_query_connections",
        [lambda _: [Observation(count, {"state": state}) for state, count in pool().items()]],
        description="Connections to Postgres for reports: size, idle, in_use, and their limit",
    )
    edge.observe(meter)
    observe(meter, [*bounds, *edge.bounds()])
    for show in others:
        show(meter)
    return provider
