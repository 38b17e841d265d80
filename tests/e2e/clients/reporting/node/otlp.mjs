// An application that reports by OpenTelemetry's SDK for JavaScript in Node: lines, spans, increments, and a running total.
// `ENCODING` is `proto` or `http` (JSON), `MODULES` the folder of the packages; all else is in the SDK's own variables.
import { createRequire } from "node:module";

const require = createRequire(process.env.MODULES + "/");
const { ENCODING, ITEMS = "0", LOUD, PREFIX = "k" } = process.env;
const { DiagConsoleLogger, DiagLogLevel, SpanKind, diag } = require("@opentelemetry/api");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { AggregationTemporality, MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BatchSpanProcessor, TracerProvider } = require("@opentelemetry/sdk-trace");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${ENCODING}`);
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${ENCODING}`);
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${ENCODING}`);

if (LOUD) diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);

const told = { sent: {}, believed: {}, failed: {} };

/** The exporter as it is, and a note of what it says of each batch. */
function noting(exporter, signal, idsOf) {
  const [believed, failed] = [(told.believed[signal] = []), (told.failed[signal] = [])];
  const original = exporter.export.bind(exporter);
  exporter.export = (batch, callback) =>
    original(batch, (result) => {
      (result.code === 0 ? believed : failed).push(...idsOf(batch));
      callback(result);
    });
  return exporter;
}

const pointsOf = (batch) =>
  batch.scopeMetrics.flatMap((each) => each.metrics.flatMap((metric) => metric.dataPoints));
const resource = resourceFromAttributes({ "service.name": "shop" });
const logs = new LoggerProvider({
  resource,
  processors: [
    new BatchLogRecordProcessor({
      exporter: noting(new OTLPLogExporter(), "logs", (batch) => batch.map((each) => each.body)),
    }),
  ],
});
const traces = new TracerProvider({
  resource,
  spanProcessors: [
    new BatchSpanProcessor({
      exporter: noting(new OTLPTraceExporter(), "traces", (batch) => batch.map((each) => each.attributes["http.route"])),
    }),
  ],
});
const meters = (exporter) =>
  new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 60000),
        exportTimeoutMillis: Math.min(30000, Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 30000)),
      }),
    ],
  });
const increments = meters(
  noting(new OTLPMetricExporter({ temporalityPreference: AggregationTemporality.DELTA }), "metrics", (batch) =>
    pointsOf(batch).map((each) => each.attributes.n),
  ),
);
const totals = meters(new OTLPMetricExporter());
const orders = increments.getMeter("shop").createCounter("orders");
const visits = totals.getMeter("shop").createCounter("visits");
const log = logs.getLogger("shop");
const tracer = traces.getTracer("shop");
const sent = [];

const timer = setInterval(report, 100);
process.on("SIGTERM", end);
report();

function report() {
  const id = `${PREFIX}${sent.length}`;
  sent.push(id);
  log.emit({ body: id, severityText: "INFO", severityNumber: 9 });
  orders.add(1, { n: id });
  visits.add(1);
  const attributes = { "http.request.method": "GET", "http.route": id, "http.response.status_code": 200 };
  tracer.startSpan("GET", { kind: SpanKind.SERVER, attributes }).end();
  if (sent.length === Number(ITEMS)) end();
}

async function end() {
  clearInterval(timer);
  await Promise.allSettled([logs, traces, increments, totals].map((each) => each.shutdown()));
  for (const signal of ["logs", "traces", "metrics", "totals"]) told.sent[signal] = sent;
  process.stdout.write(JSON.stringify(told));
}
