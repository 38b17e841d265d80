"""Shows bounds and counts to Prometheus: how much each bound holds, its limit, and how much was evicted or refused.

A reading only looks at plain numbers. A process whose metrics port is 0 does not listen.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import start_http_server

from shared.errors import Misconfigured
from shared.model.bound import Bound

USED, LIMIT, EVICTED = "bound_used", "bound_limit", "bound_evicted"
"""Instruments of every service, by the label `bound`."""


@dataclass(frozen=True, slots=True)
class Count:
    """How often something happened that an operator should know of; costs nothing until somebody reads it."""

    name: str
    """Of the instrument, once a process: OpenTelemetry drops a second callback. Prometheus adds `_total`."""
    description: str
    value: Callable[[], int]


def observe(meter: Meter, bounds: Sequence[Bound]) -> None:
    """Give every bound its instruments."""
    meter.create_observable_gauge(
        USED, [_each(bounds, lambda bound: bound.used())], description="How much of it is used"
    )
    meter.create_observable_gauge(
        LIMIT, [_each(bounds, lambda bound: bound.limit)], description="What it may hold"
    )
    meter.create_observable_counter(
        EVICTED, [_each(bounds, lambda bound: bound.evicted())], description="What had no room"
    )


def observe_counts(meter: Meter, counts: Sequence[Count]) -> None:
    """Give every count its instrument."""
    for count in counts:
        meter.create_observable_counter(count.name, [_one(count)], description=count.description)


def serve(service: str, host: str, port: int, bounds: Sequence[Bound], counts: Sequence[Count] = ()) -> None:
    """Answer Prometheus at this port from a thread of its own, until the process ends; port 0: not at all.

    Raises `Misconfigured` when it cannot be listened at.
    """
    if port:
        provider = MeterProvider(
            [PrometheusMetricReader()], Resource({"service.name": f"tidegauge-{service}"})
        )
        meter = provider.get_meter(f"tidegauge.{service}")
        observe(meter, bounds)
        observe_counts(meter, counts)
        try:
            start_http_server(port, host)
        except OSError as problem:
            raise Misconfigured(f"metrics_port {port}: {problem}") from problem


def _one(count: Count) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(count.value())]


def _each(
    bounds: Sequence[Bound], value: Callable[[Bound], int]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [
        Observation(value(bound), {"bound": bound.name, "unit": bound.unit}) for bound in bounds
    ]
