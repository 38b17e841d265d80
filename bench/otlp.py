"""otlp_1000, otlp_100, native_1000: what a CPU-second of the gateway takes in, beside an OpenTelemetry Collector.

Both write to one broker and take their bodies in turn; each answers after the ack of all replicas. The Collector takes
OTLP in every figure, ours our own JSON in `native_1000`. A round counts the points that the log holds.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bench import collector, gateway, log, stand, wrk
from bench.figure import PAIRS, Line, compared
from bench.gateway import CONNECTIONS, SIGNALS, Side, Signal
from bench.otlp_load import HEADERS, write_otlp
from deploy.local.stack import Stack
from shared.wire.topics import DEFAULT_PARTITIONS, METRICS


def _otlp(rows: int, bodies: int, goal: float) -> Signal:
    return Signal(
        "points", "/v1/metrics", METRICS, "", write_otlp, log.points_between, rows, bodies, goal, HEADERS
    )


FIGURES: Mapping[str, Signal] = {
    "otlp_1000": _otlp(1000, 24, 1.6),
    "otlp_100": _otlp(100, 64, 1.0),
    "native_1000": replace(SIGNALS["gateway_1000"], goal=1.4),
}
"""What ours takes; the goal is the ratio to the Collector, which takes OTLP."""


async def measure(stack: Stack, folder: Path, figure: str) -> list[Line]:
    """The line of one figure."""
    signal = FIGURES[figure]
    asked = _otlp(signal.rows, signal.bodies, 0.0)
    wrk.find()
    collector.program()
    async with stand.room(stack, folder) as room:
        with ExitStack() as running:
            sides = [
                (await gateway.ours(room, running, signal), signal),
                (await _collector(room, running), asked),
            ]
            for side, posted in sides:
                await gateway.measured(room, side, posted, gateway.WARM_S, 0)
            rates: list[list[float]] = [[], []]
            latency_ms: list[dict[str, float]] = [{}, {}]
            for number in range(1, PAIRS + 1):
                for at, (side, posted) in enumerate(sides):
                    rate, sent = await gateway.measured(room, side, posted, gateway.ROUND_S, number)
                    rates[at].append(rate)
                    latency_ms[at] = {"p50": sent.p50_ms, "p99": sent.p99_ms}
    return [
        compared(
            figure, *rates, goals=(signal.goal, 0.0), peer=f"OpenTelemetry Collector {collector.VERSION}",
            latency_ms=latency_ms[0], naive_latency_ms=latency_ms[1], points_a_request=signal.rows,
            connections=CONNECTIONS, partitions=DEFAULT_PARTITIONS,
        )
    ]  # fmt: skip


async def _collector(room: stand.Room, running: ExitStack) -> Side:
    topic = await room.add_topic("collector", DEFAULT_PARTITIONS)
    process, port = running.enter_context(collector.started(room, topic))
    await collector.until_ready(process, port)

    async def count(begin: dict[int, int], end: dict[int, int]) -> int:
        return await log.counted(room.stack.kafka, topic, (begin, end), _points_of)

    return Side("collector", process, port, topic, count)


def _points_of(message: bytes) -> int:
    """Data points of gauges and sums of an export request."""
    request = ExportMetricsServiceRequest.FromString(message)
    return sum(
        len(metric.gauge.data_points) + len(metric.sum.data_points)
        for of_resource in request.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    )
