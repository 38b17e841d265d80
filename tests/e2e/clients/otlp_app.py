"""A service that reports by OpenTelemetry's SDK, as its documentation says; its settings are in the environment."""

import logging

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger, set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind


def main() -> None:
    """A line of a log, an exception, an event, a request that is served and makes one that fails, and five orders."""
    logs, traces = LoggerProvider(), TracerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    set_logger_provider(logs)
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(meters)
    log = logging.getLogger("shop")
    log.addHandler(LoggingHandler())

    served = {"http.request.method": "GET", "http.route": "/users/{id}", "http.response.status_code": 200}
    with trace.get_tracer("shop").start_as_current_span("GET", kind=SpanKind.SERVER, attributes=served):
        log.warning("low stock of %s", "apples", extra={"left": 2})
        try:
            _ask()
        except ConnectionError:
            log.exception("no answer")
    get_logger("shop").emit(event_name="checkout", body={"total": 9.5}, attributes={"items": 3})
    orders = metrics.get_meter("shop").create_counter("orders")
    for _ in range(5):
        orders.add(1)
        meters.force_flush()
    for provider in (logs, traces, meters):
        provider.shutdown()


def _ask() -> None:
    asked = {"http.request.method": "GET", "url.full": "http://stock.example/items/7?key=secret"}
    with trace.get_tracer("shop").start_as_current_span("GET", kind=SpanKind.CLIENT, attributes=asked):
        raise ConnectionError("refused")


if __name__ == "__main__":
    main()
