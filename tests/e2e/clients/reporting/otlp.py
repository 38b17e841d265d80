"""An application that reports by OpenTelemetry's SDK for Python: lines, spans, increments, and a running total.

`ENCODING` is `proto` or `json`; all else is in the SDK's own variables.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import chain
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from tests.e2e.clients.reporting.pace import Noting, ReportedItems, items, name_of

FLUSHED_MS = 30_000

DELTAS = {Counter: AggregationTemporality.DELTA}


class Shop:
    """What the application reports by: a provider for each signal."""

    def __init__(self, encoding: str, reported: ReportedItems) -> None:
        def noting(signal: str, ids_of: Any, **settings: Any) -> Any:
            return Noting(_exporter(encoding, signal)(**settings), signal, reported, ids_of)

        logs, traces = LoggerProvider(), TracerProvider()
        logs.add_log_record_processor(BatchLogRecordProcessor(noting("logs", _ids_of_records)))
        traces.add_span_processor(BatchSpanProcessor(noting("traces", _ids_of_spans)))
        deltas = noting("metrics", _ids_of_points, preferred_temporality=DELTAS)
        increments = MeterProvider([PeriodicExportingMetricReader(deltas)])
        totals = MeterProvider([PeriodicExportingMetricReader(_exporter(encoding, "totals")())])
        self._log = logging.getLogger("shop")
        self._log.setLevel(logging.INFO)
        self._log.addHandler(LoggingHandler(logger_provider=logs))
        self._log.propagate = False
        self._tracer = traces.get_tracer("shop")
        self._orders = increments.get_meter("shop").create_counter("orders")
        self._visits = totals.get_meter("shop").create_counter("visits")
        self._providers: tuple[Any, ...] = (logs, traces, increments, totals)

    def report(self, item: str) -> None:
        """A line, a span, an increment, and one more visit."""
        self._log.info(item)
        self._orders.add(1, {"n": item})
        self._visits.add(1)
        served: dict[str, str | int] = {
            "http.request.method": "GET", "http.route": item, "http.response.status_code": 200,
        }  # fmt: skip
        with self._tracer.start_as_current_span("GET", kind=SpanKind.SERVER, attributes=served):
            pass

    def close(self) -> None:
        """Export what waits, all signals at once."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda provider: provider.force_flush(FLUSHED_MS), self._providers))
        for provider in self._providers:
            provider.shutdown()


def main(encoding: str) -> None:
    """Report until it is to end."""
    reported = ReportedItems()
    shop = Shop(encoding, reported)
    sent = []
    for number in items():
        sent.append(name_of(number))
        shop.report(sent[-1])
    shop.close()
    reported.sent = dict.fromkeys(("logs", "traces", "metrics", "totals"), sent)
    reported.write()


def _exporter(encoding: str, signal: str) -> Any:
    module, name = {
        "logs": ("_log_exporter", "OTLPLogExporter"),
        "traces": ("trace_exporter", "OTLPSpanExporter"),
    }.get(signal, ("metric_exporter", "OTLPMetricExporter"))
    return getattr(import_module(f"opentelemetry.exporter.otlp.{encoding}.http.{module}"), name)


def _ids_of_records(batch: Any) -> list[str]:
    return [each.log_record.body for each in batch]


def _ids_of_spans(batch: Any) -> list[str]:
    return [each.attributes["http.route"] for each in batch]


def _ids_of_points(metrics: Any) -> list[str]:
    of_scopes = chain.from_iterable(each.scope_metrics for each in metrics.resource_metrics)
    of_metrics = chain.from_iterable(each.metrics for each in of_scopes)
    return [point.attributes["n"] for each in of_metrics for point in each.data.data_points]


if __name__ == "__main__":
    main(os.environ["ENCODING"])
