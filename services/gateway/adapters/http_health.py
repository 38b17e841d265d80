"""`/health/live`, `/health/ready` and `/metrics`.

The law: looking never costs a request of the hot route anything: instruments read plain integers when asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.adapters.http_schemas import HealthBody
from services.gateway.adapters.kafka import KafkaPublisher
from services.gateway.service import Intake, KeyRing, Probe, Tally

Callback = Callable[[CallbackOptions], list[Observation]]
"""What an instrument asks when it is looked at."""


def router(intake: Intake, ring: KeyRing, probes: Mapping[str, Probe]) -> APIRouter:
    """The routes, bound to what they report on."""
    routes = APIRouter()

    @routes.get("/health/live", summary="The process runs")
    async def live() -> dict[str, str]:
        """200 while the event loop turns."""
        return {"status": "live"}

    @routes.get("/health/ready", response_model=HealthBody, summary="Points can be taken")
    async def ready() -> Response:
        """200 when Kafka takes points and keys can be told apart, else 503; each dependency says how it is."""
        refusal = intake.refusal()
        states = {name: "up" if await probe() else "down" for name, probe in probes.items()}
        keys = ring.ever_found or states.get("postgres") == "up"
        able = refusal is None and keys
        body = HealthBody(
            status="ready" if able else "not_ready", dependencies={"kafka": refusal or "up", **states}
        )
        return JSONResponse(body.model_dump(), 200 if able else 503)

    @routes.get("/metrics", summary="Counters for Prometheus")
    async def metrics() -> Response:
        """Text format of Prometheus."""
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return routes


def instruments(tally: Tally, publisher: KafkaPublisher) -> MeterProvider:
    """Show the plain counts as instruments; the provider must be shut down at the end."""
    provider = MeterProvider([PrometheusMetricReader()], Resource({"service.name": "tidegauge-gateway"}))
    meter = provider.get_meter("tidegauge.gateway")
    flow = publisher.flow
    counters: dict[str, tuple[Callback, str]] = {
        "gateway_requests": (_by("status", tally.requests), "Answers of POST /v1/telemetry"),
        "gateway_points_rejected": (_by("code", tally.rejected), "Points refused for ever"),
        "gateway_points_accepted": (_one(lambda: tally.accepted), "Points acknowledged by the log"),
        "gateway_flushes": (_one(lambda: flow.flushes), "Flushes acknowledged by the log"),
        "gateway_messages": (_one(lambda: flow.messages), "Messages with points"),
        "gateway_rows": (_one(lambda: flow.rows), "Rows in them"),
        "gateway_bytes": (_one(lambda: flow.bytes), "Bytes of messages before compression"),
        "gateway_ticks": (_one(lambda: flow.ticks), "Messages that only carry time forward"),
        "gateway_producers": (
            _one(lambda: flow.producers),
            "Producers started, one for each failure and one",
        ),
    }
    for name, (callback, description) in counters.items():
        meter.create_observable_counter(name, [callback], description=description)
    gauges: dict[str, tuple[Callback, str]] = {
        "gateway_open_requests": (_one(lambda: tally.open_requests), "Requests under way"),
        "gateway_inflight_bytes": (_one(lambda: tally.inflight_bytes), "Bytes of their bodies"),
        "gateway_unacked_seconds": (_one(publisher.unacked_s), "Age of the flush that waits for its ack"),
    }
    for name, (callback, description) in gauges.items():
        meter.create_observable_gauge(name, [callback], description=description)
    return provider


def _one(value: Callable[[], float]) -> Callback:
    return lambda _: [Observation(value())]


def _by(label: str, counts: Mapping[Any, int]) -> Callback:
    return lambda _: [Observation(count, {label: str(key)}) for key, count in counts.items()]
