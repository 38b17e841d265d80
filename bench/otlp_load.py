"""The points of the OTLP figures, written by the encoder of OpenTelemetry's SDK for Python.

The series are those of the other gateway figures. Half of the metrics are gauges, the others sums: running totals, as
the SDK has them unless it is told otherwise, and increments; of each kind some are integers. Nanoseconds since 1970.
"""

import random
from pathlib import Path

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bench.traffic import pool, write
from shared.runtime.clock import now_ms

HEADERS = {"Content-Type": "application/x-protobuf"}

RESOURCE = Resource(
    {
        "service.name": "checkout",
        "service.version": "1.4.2",
        "service.instance.id": "6f1c2a54-2f0e-4c1e-9b2a-0d1c5a7e9b10",
        "deployment.environment.name": "production",
        "host.name": "host-1.eu-west-1",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": "1.45.2",
    }
)

NS_PER_MS = 1_000_000
RUNS_NS = 60_000_000_000
"""How long the process has run that the points come from."""

_DELTA, _TOTAL = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
_SUMS = {
    "http.server.request.size": _TOTAL, "cache.hit": _TOTAL, "app.screen.load": _DELTA, "checkout.amount": _DELTA,
}  # fmt: skip
_INTEGERS = frozenset({"http.server.request.size", "queue.depth", "app.screen.load"})


def write_otlp(folder: Path, points: int, count: int, seed: int) -> int:
    """Write `count` bodies for the load generator; the bytes of a point."""
    chance, series = random.Random(seed), pool(500)
    return write(folder, points, count, lambda: body(series, points, chance))


def body(series: list[tuple[str, dict[str, str]]], points: int, chance: random.Random) -> bytes:
    """One export request: points of random series, metric by metric, at times of the last second."""
    now_ns = now_ms() * NS_PER_MS
    found: dict[str, list[NumberDataPoint]] = {}
    for _ in range(points):
        name, labels = chance.choice(series)
        value, time_ns = chance.lognormvariate(3, 1), now_ns - chance.randrange(1000) * NS_PER_MS
        found.setdefault(name, []).append(
            NumberDataPoint(labels, now_ns - RUNS_NS, time_ns, round(value) if name in _INTEGERS else value)
        )
    metrics = [Metric(name, "", "1", _data(name, each)) for name, each in found.items()]
    scope = ScopeMetrics(InstrumentationScope("checkout", "1.0"), metrics, "")
    request = encode_metrics(MetricsData([ResourceMetrics(RESOURCE, [scope], "")]))
    return bytes(request.SerializeToString())


def _data(name: str, points: list[NumberDataPoint]) -> Gauge | Sum:
    temporality = _SUMS.get(name)
    return Gauge(points) if temporality is None else Sum(points, temporality, is_monotonic=True)
