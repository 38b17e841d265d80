#!/usr/bin/env bash
# OpenTelemetry's SDK for JavaScript says nothing of what it has lost, until it is given a logger.
#
# Version:  @opentelemetry/sdk-metrics 3.1.1, exporter-metrics-otlp-proto 0.301.0, api 1.10.0.
# Expected: a batch that is answered 401 and dropped is said on standard error, as the SDK for Python does.
# Seen:     one post, and not a word; with diag.setLogger(new DiagConsoleLogger()) what was answered is written.
# So:       docs/clients/opentelemetry.md says to set one, and the gateway counts what it refuses as `intake.refused`.
#
# Needs Node 20 and npm. Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @opentelemetry/api@1.10.0 \
  @opentelemetry/sdk-metrics@3.1.1 @opentelemetry/exporter-metrics-otlp-proto@0.301.0 >/dev/null

cat >app.js <<'JAVASCRIPT'
const { createServer } = require("node:http");
const { DiagConsoleLogger, DiagLogLevel, diag } = require("@opentelemetry/api");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");

if (process.argv[2] === "logger") diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
let posts = 0;
const server = createServer((request, answer) => {
  request.resume().on("end", () => {
    posts += 1;
    answer.writeHead(401).end();
  });
}).listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}/v1/metrics`;
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url }) })],
  });
  provider.getMeter("shop").createCounter("orders").add(1);
  await provider.forceFlush().catch(() => undefined);
  process.stdout.write(`${posts}`);
  process.exit(0);
});
JAVASCRIPT

silent=$(node app.js none 2>silent.log)
loud=$(node app.js logger 2>loud.log)
echo "without a logger: $silent post, $(wc -c <silent.log) bytes on standard error"
echo "with one:         $loud post, $(grep -c Unauthorized loud.log) lines that say Unauthorized"
if [ "$silent" = 1 ] && [ ! -s silent.log ] && grep -q Unauthorized loud.log; then
  echo "as found"
else
  echo "CHANGED: expected one post without a word, and what was answered with a logger"
  exit 1
fi
