"""`/health/live`, `/health/ready` and `/metrics`.

The law: looking never costs a request of the hot route anything: instruments read plain integers when asked.
"""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.adapters.http_schemas import HealthBody
from services.gateway.adapters.kafka import KafkaPublisher
from services.gateway.service import Intake, KeyRing, Tally

Probe = Callable[[], Awaitable[bool]]
"""Whether a dependency answers."""


def router(intake: Intake, ring: KeyRing, probes: dict[str, Probe]) -> APIRouter:
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
    provider = MeterProvider([PrometheusMetricReader()])
    meter = provider.get_meter("tidegauge.gateway")
    flow = publisher.flow

    def by(counts: Callable[[], Iterable[tuple[str, object, float]]]) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [Observation(value, {name: str(key)}) for name, key, value in counts()]

    def one(value: Callable[[], float]) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [Observation(value())]

    meter.create_observable_counter(
        "gateway_requests",
        [by(lambda: [("status", status, count) for status, count in tally.requests.items()])],
        description="Answers of POST /v1/telemetry",
    )
    meter.create_observable_counter(
        "gateway_points_rejected",
        [by(lambda: [("code", code, count) for code, count in tally.rejected.items()])],
        description="Points refused for ever",
    )
    counters: dict[str, tuple[Callable[[], float], str]] = {
        "gateway_points_accepted": (lambda: tally.accepted, "Points acknowledged by the log"),
        "gateway_flushes": (lambda: flow.flushes, "Flushes acknowledged by the log"),
        "gateway_messages": (lambda: flow.messages, "Messages with points"),
        "gateway_rows": (lambda: flow.rows, "Rows in them"),
        "gateway_bytes": (lambda: flow.bytes, "Bytes of messages before compression"),
        "gateway_ticks": (lambda: flow.ticks, "Messages that only carry time forward"),
        "gateway_producers": (lambda: flow.producers, "Producers started; more than one means that one failed"),
    }
    for name, (value, description) in counters.items():
        meter.create_observable_counter(name, [one(value)], description=description)
    gauges: dict[str, tuple[Callable[[], float], str]] = {
        "gateway_open_requests": (lambda: tally.open_requests, "Requests under way"),
        "gateway_inflight_bytes": (lambda: tally.inflight_bytes, "Bytes of their bodies"),
        "gateway_unacked_seconds": (publisher.unacked_s, "Age of the flush that waits for its ack"),
    }
    for name, (value, description) in gauges.items():
        meter.create_observable_gauge(name, [one(value)], description=description)
    return provider
