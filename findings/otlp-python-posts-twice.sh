#!/usr/bin/env bash
# OpenTelemetry Python posts a batch twice at once when the connection breaks, before it waits for its next attempt.
#
# Version:  opentelemetry-exporter-otlp-proto-http 1.45.2.
# Expected: after a connection that was closed without an answer, the next post follows after a pause with jitter.
# Seen:     posts come in pairs within some milliseconds; only pairs are apart by the pause. Eight in four attempts.
# So:       a repeat may come while the first is still being handled: what recognises repeats must hold across
#           connections and processes from the first byte on, not from the answer on.
#
# Ends with 0 as long as this is so, with 1 when it has changed. Takes some ten seconds, as the exporter does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-exporter-otlp-proto-http==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import socket
import sys
from threading import Thread
from time import monotonic

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

PAUSE_S = 0.4
posts_s = []
server = socket.create_server(("127.0.0.1", 0))


def close_each():
    """Read a request, and close the connection without an answer."""
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(65536).startswith(b"POST"):
                posts_s.append(monotonic())


Thread(target=close_each, daemon=True).start()
reader = InMemoryMetricReader()
MeterProvider([reader]).get_meter("finding").create_counter("orders").add(1)
OTLPMetricExporter(f"http://127.0.0.1:{server.getsockname()[1]}/v1/metrics").export(reader.get_metrics_data())

pauses_s = [after - before for before, after in zip(posts_s, posts_s[1:])]
print("pauses between posts:", [round(pause_s, 3) for pause_s in pauses_s])
as_found = len(pauses_s) > 1 and pauses_s[0] < PAUSE_S < pauses_s[1]
print("as found" if as_found else "CHANGED: expected two posts at once, then a pause")
sys.exit(not as_found)
PYTHON
