"""The plain counts of the intake as instruments.

Looking never costs a request of the hot route anything: instruments read plain integers when asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from services.gateway.http.connections import Connections
from services.gateway.intake.adapters.statsd_udp import DatagramCounters
from services.gateway.intake.domain.cpu_share import CpuShares
from services.gateway.intake.domain.in_flight import InFlight
from services.gateway.intake.domain.series_limit import SeriesLimiter
from services.gateway.intake.domain.strangers import Strangers
from services.gateway.intake.publish.broker_clock import BrokerClock
from services.gateway.intake.publish.flow import Flow
from services.gateway.intake.service import IntakeCounters
from shared.model.bound import Bound
from shared.runtime.instruments import observe

Callback = Callable[[CallbackOptions], list[Observation]]
"""What an instrument asks when it is looked at."""


@dataclass(frozen=True, slots=True)
class PipelineCounts:
    """Points, or events, as far as counting goes."""

    signal: str
    """`points` or `events`."""
    counters: IntakeCounters
    flow: Flow
    unacked_s: Callable[[], float]


def instruments(
    pipelines: Sequence[PipelineCounts],
    in_flight: InFlight,
    series_limiter: SeriesLimiter,
    clock: BrokerClock,
    bounds: Sequence[Bound] = (),
    *,
    shares: CpuShares,
    edge: Connections,
    datagrams: DatagramCounters | None = None,
    strangers: Strangers | None = None,
) -> MeterProvider:
    """Show the plain counts as instruments; the provider must be shut down at the end."""
    provider = MeterProvider([PrometheusMetricReader()], Resource({"service.name": "tidegauge-gateway"}))
    meter = provider.get_meter("tidegauge.gateway")
    counters = _counters(pipelines) | _crowded(in_flight, shares)
    if datagrams is not None:
        counters |= _datagrams(datagrams)
    if strangers is not None:
        counters |= _unknown(strangers)
    for name, (callback, description) in counters.items():
        meter.create_observable_counter(name, [callback], description=description)
    for name, (callback, description) in _gauges(pipelines, in_flight, series_limiter, clock).items():
        meter.create_observable_gauge(name, [callback], description=description)
    edge.observe(meter)
    observe(meter, [*bounds, *edge.bounds()])
    return provider


def _counters(pipelines: Sequence[PipelineCounts]) -> dict[str, tuple[Callback, str]]:
    return {
        "gateway_requests": (
            _by(pipelines, "status", lambda each: each.counters.requests), "Answers of the intake routes"
        ),
        "gateway_refused": (
            _by(pipelines, "code", lambda each: each.counters.refused), "Requests of which nothing was taken"
        ),
        "gateway_rejected": (_by(pipelines, "code", lambda each: each.counters.rejected), "Refused for ever"),
        "gateway_accepted": (_one(pipelines, lambda each: each.counters.accepted), "Acknowledged by the log"),
        "gateway_conflicts": (
            _one(pipelines, lambda each: each.counters.conflicts), "Requests whose key stood for another body"
        ),
        "gateway_overflowed": (
            _by(pipelines, "tenant", lambda each: each.counters.overflowed), "Accepted into overflow series"
        ),
        "gateway_flushes": (_one(pipelines, lambda each: each.flow.flushes), "Flushes acknowledged by the log"),
        "gateway_messages": (_one(pipelines, lambda each: each.flow.messages), "Messages with points or events"),
        "gateway_rows": (_one(pipelines, lambda each: each.flow.rows), "Points or events in them"),
        "gateway_bytes": (_one(pipelines, lambda each: each.flow.bytes), "Bytes of messages before compression"),
        "gateway_ticks": (_one(pipelines, lambda each: each.flow.ticks), "Messages that only carry time forward"),
        "gateway_producers": (
            _one(pipelines, lambda each: each.flow.producers), "Producers started, one for each failure and one"
        ),
    }  # fmt: skip


def _crowded(in_flight: InFlight, shares: CpuShares) -> dict[str, tuple[Callback, str]]:
    return {
        "gateway_decode_seconds": (
            lambda _: [
                Observation(spent / 1e9, {"tenant": str(each)}) for each, spent in shares.used.items()
            ],
            "Time that bodies were unpacked and decoded, by tenant; 0: before the key in a body was known",
        ),
        "gateway_crowded": (
            lambda _: [Observation(count, {"reason": each}) for each, count in in_flight.refused.items()],
            "Requests that found no room among what is under way, by what there was too much of",
        ),
    }


def _unknown(strangers: Strangers) -> dict[str, tuple[Callback, str]]:
    return {
        "gateway_strangers": (
            lambda _: [
                Observation(count, {"status": str(status), "client": name})
                for (status, name), count in strangers.counts.items()
            ],
            "Requests with a wrong key or address, by what their clients call themselves",
        )
    }


def _datagrams(counters: DatagramCounters) -> dict[str, tuple[Callback, str]]:
    return {
        "gateway_datagrams": (
            lambda _: [Observation(counters.received)], "Datagrams of StatsD lines; nobody is told what became of them"
        ),
        "gateway_datagrams_dropped": (
            lambda _: [Observation(count, {"reason": reason}) for reason, count in counters.dropped.items()],
            "Those of them that are not in the log",
        ),
    }  # fmt: skip


def _gauges(
    pipelines: Sequence[PipelineCounts],
    in_flight: InFlight,
    series_limiter: SeriesLimiter,
    clock: BrokerClock,
) -> dict[str, tuple[Callback, str]]:
    return {
        "gateway_open_requests": (lambda _: [Observation(in_flight.requests)], "Requests under way"),
        "gateway_active_series": (lambda _: [Observation(series_limiter.active())], "Active series of all tenants"),
        "gateway_inflight_bytes": (lambda _: [Observation(in_flight.bytes)], "Bytes of their bodies"),
        "gateway_unacked_seconds": (
            _one(pipelines, lambda each: each.unacked_s()), "Age of the flush that waits for its ack"
        ),
        "gateway_clock_offset_seconds": (
            lambda _: [] if (offset_s := clock.offset_s()) is None else [Observation(offset_s)],
            "How far this machine's clock is ahead of the broker's",
        ),
    }  # fmt: skip


def _one(pipelines: Sequence[PipelineCounts], value: Callable[[PipelineCounts], float]) -> Callback:
    return lambda _: [Observation(value(each), {"signal": each.signal}) for each in pipelines]


def _by(
    pipelines: Sequence[PipelineCounts], label: str, counts: Callable[[PipelineCounts], Mapping[Any, int]]
) -> Callback:
    return lambda _: [
        Observation(count, {"signal": each.signal, label: str(key)})
        for each in pipelines
        for key, count in counts(each).items()
    ]
