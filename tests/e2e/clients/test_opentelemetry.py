"""OpenTelemetry's Python SDK as it is shipped, against the running system: its metrics are in the windows once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from deploy.local.stack import Stack
from tests.support.processes.system import System
from tests.support.wait import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

RESOURCE = Resource.create({"service.name": "shop"})
DELTAS = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)

SIZES = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())

AWAY_S = 10.0
"""How long Kafka is away: as long as an exporter tries."""


class Watched(OTLPMetricExporter):
    """The exporter as it is, and a note of what it believes delivered."""

    believed = 0.0

    def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
        """Export, then add up the points if it was a success."""
        result = super().export(metrics_data, *args, **kwargs)
        if result is MetricExportResult.SUCCESS:
            self.believed += sum(values_of(metrics_data))
        return result


def values_of(metrics: MetricsData) -> list[float]:
    """The values of all points of numbers."""
    return [
        point.value
        for of_resource in metrics.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        for point in metric.data.data_points
        if isinstance(point, NumberDataPoint)
    ]


@dataclass
class App:
    """An application with a provider of its own."""

    exporter: Watched
    views: tuple[View, ...] = ()
    provider: MeterProvider = field(init=False)

    def __post_init__(self) -> None:
        reader = PeriodicExportingMetricReader(self.exporter, export_interval_millis=3_600_000)
        self.provider = MeterProvider([reader], RESOURCE, views=self.views, shutdown_on_exit=False)
        self.meter = self.provider.get_meter("shop")

    async def flush(self) -> None:
        """Export now, whatever becomes of it."""
        await asyncio.to_thread(self.provider.force_flush, 60_000)


def app(system: System, *views: View, **settings: Any) -> App:
    """An application that exports to the system."""
    headers = {"authorization": f"Bearer {system.key}"}
    return App(Watched(f"{system.url}/v1/metrics", headers=headers, **settings), views)


@pytest_asyncio.fixture
async def system(stack: Stack, tmp_path: Path) -> AsyncIterator[System]:
    """All services; nobody is paged."""
    async with System(stack, tmp_path, "http://127.0.0.1:1/") as made:
        yield made


async def total(system: System, metric: str, what: str = "sum") -> float:
    """All windows of a metric together."""
    windows = (await system.get("/v1/windows", metric=metric, label="service.name=shop"))["windows"]
    return float(sum(window[what] for window in windows))


async def shown(system: System, what: str, **expected: float) -> None:
    """Wait until the windows of these metrics add up to as much."""

    async def fact() -> bool:
        found = {name: await total(system, name.replace("__", "."), what) for name in expected}
        return found == pytest.approx(expected)

    await until(fact, f"{what} is {expected}", 30)


def measure(shop: App) -> None:
    """Something of each other kind."""
    shop.meter.create_up_down_counter("queue").add(-4)
    shop.meter.create_gauge("temperature", "Cel").set(21.5, {"room": "é"})
    for seconds in (0.3, 0.3, 7.0):
        shop.meter.create_histogram("wait", "s").record(seconds)
        shop.meter.create_histogram("size", "By").record(1 + seconds)


async def kafka_away(stack: Stack, *apps: App) -> None:
    """The apps export while Kafka is away, and it comes back when they give up."""
    stack.servers["kafka"].freeze()
    try:
        away = asyncio.gather(*(each.flush() for each in apps))
        await asyncio.wait([away], timeout=AWAY_S)
    finally:
        stack.servers["kafka"].thaw()
    await away


async def test_metrics_of_the_sdk_are_in_the_windows_once(stack: Stack, system: System) -> None:
    """Each kind, in each compression; and through ten seconds without Kafka and a restart of the gateway."""
    plain, deltas = (
        app(system, SIZES),
        app(system, compression=Compression.Gzip, preferred_temporality=DELTAS),
    )
    deflated = app(system, compression=Compression.Deflate)
    orders, sent = plain.meter.create_counter("orders", "{order}"), deltas.meter.create_counter("sent")
    orders.add(3, {"app.kubernetes.io/name": "web"})
    sent.add(5)
    deflated.meter.create_counter("deflated").add(7)
    measure(plain)
    for each in (plain, deltas, deflated):
        await each.flush()

    await shown(system, "sum", orders=3, queue=-4, temperature=21.5, sent=5, deflated=7)
    await shown(system, "count", wait=3, size=3)

    orders.add(10)
    sent.add(20)
    await kafka_away(stack, plain, deltas)
    await system.kill("gateway")
    await system.answers()
    orders.add(100)
    sent.add(200)
    for each in (plain, deltas):
        await each.flush()

    # What the log had not confirmed in time may be in it, though its client gave it up.
    possible = {deltas.exporter.believed, 225.0}

    async def settled() -> bool:
        return await total(system, "sent") in possible

    assert possible <= {205.0, 225.0}
    await until(settled, f"sent adds up to one of {possible}", 30)
    await shown(system, "sum", orders=113)
    account = (await system.get("/v1/ledger"))["total"]
    assert (0, {}) == (account["difference"], account["rejected"])
