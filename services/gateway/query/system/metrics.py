"""The plain counts of the queries as instruments.

Looking costs no request anything: instruments read plain integers when asked.
"""

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from services.gateway.http.connections import Connections
from shared.model.bound import Bound
from shared.runtime.instruments import observe


def instruments(stopped: Mapping[str, int], bounds: Sequence[Bound], edge: Connections) -> MeterProvider:
    """Show stopped partitions by topic, bounds and what the edge refuses; the provider must be shut down at the end."""
    provider = MeterProvider([PrometheusMetricReader()], Resource({"service.name": "tidegauge-gateway"}))
    meter = provider.get_meter("tidegauge.gateway")
    meter.create_observable_gauge(
        "gateway_stopped_partitions",
        [lambda _: [Observation(count, {"topic": topic}) for topic, count in stopped.items()]],
        description="Partitions that are stopped: `tidegauge partitions list` says why",
    )
    edge.observe(meter)
    observe(meter, [*bounds, *edge.bounds()])
    return provider
