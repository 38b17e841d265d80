#!/usr/bin/env bash
# OpenTelemetry Python's force_flush answers True after the receiver has refused the points.
#
# Version:  opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http 1.45.2.
# Expected: False: the specification wants callers to learn whether a flush succeeded, failed or timed out.
# Seen:     True, after one request that got 400; the points are gone.
# So:       a short job cannot know from force_flush that it counted. Who has to know asks us: GET /v1/batches/{id}.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-sdk==1.45.2" "opentelemetry-exporter-otlp-proto-http==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

requests = []


class Refuse(BaseHTTPRequestHandler):
    """Answers each request with 400."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        requests.append(self.path)
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
Thread(target=server.serve_forever, daemon=True).start()
exporter = OTLPMetricExporter(f"http://127.0.0.1:{server.server_port}/v1/metrics")
provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
provider.get_meter("finding").create_counter("orders").add(1)
flushed = provider.force_flush()
posts = len(requests)
provider.shutdown()

print(f"force_flush: {flushed} after {posts} request with the answer 400")
as_found = (True, 1) == (flushed, posts)
print("as found" if as_found else "CHANGED: expected True after one request that was refused")
sys.exit(not as_found)
PYTHON
