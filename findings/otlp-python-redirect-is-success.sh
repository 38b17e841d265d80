#!/usr/bin/env bash
# OpenTelemetry Python takes an answer that sends it elsewhere for a delivery.
#
# Version:  opentelemetry-exporter-otlp-proto-http 1.45.2.
# Expected: the exporter posts to the new address, or the export fails. OTLP calls only 200 a success.
# Seen:     on 302 it posts nowhere else, logs nothing and answers SUCCESS; the points are gone.
# So:       no route that takes telemetry ever redirects, neither for a trailing slash nor from http to https.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-exporter-otlp-proto-http==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

requests = []


class Moved(BaseHTTPRequestHandler):
    """Sends each request for /v1/metrics to /otlp/v1/metrics."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        requests.append(f"{self.command} {self.path}")
        moved = self.path == "/v1/metrics"
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", "/otlp/v1/metrics")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Moved)
Thread(target=server.serve_forever, daemon=True).start()
reader = InMemoryMetricReader()
MeterProvider([reader]).get_meter("finding").create_counter("orders").add(1)
exporter = OTLPMetricExporter(f"http://127.0.0.1:{server.server_port}/v1/metrics")
result = exporter.export(reader.get_metrics_data())

print(f"result: {result.name}; requests: {requests}")
as_found = (MetricExportResult.SUCCESS, ["POST /v1/metrics"]) == (result, requests)
print("as found" if as_found else "CHANGED: expected SUCCESS after one request that was redirected")
sys.exit(not as_found)
PYTHON
