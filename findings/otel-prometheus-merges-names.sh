#!/usr/bin/env bash
# OpenTelemetry's exporter for Prometheus shows two series as one series twice when names of attributes differ in signs only.
#
# Version:  opentelemetry-exporter-prometheus 0.66b2.
# Expected: attributes whose names become one (http.code, http_code) are joined by ";", as the specification says.
# Seen:     the last one wins. Two series that differ in the other become two lines with equal labels.
# So:       attributes of our own instruments are plain words (bound, unit, tenant, code), of which no two become one.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-exporter-prometheus==0.66b2" "prometheus-client==0.26.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

counter = MeterProvider([PrometheusMetricReader()]).get_meter("finding").create_counter("orders")
counter.add(1, {"http.code": "200", "http_code": "ok"})
counter.add(5, {"http.code": "500", "http_code": "ok"})
lines = [line for line in generate_latest(REGISTRY).decode().splitlines() if line.startswith("orders_total{")]

print(*lines, sep="\n")
labels, values = zip(*(line.rsplit(" ", 1) for line in lines))
as_found = len(set(labels)) == 1 and values == ("1.0", "5.0") and 'http_code="ok"' in labels[0]
print("as found" if as_found else "CHANGED: expected two lines with equal labels")
sys.exit(not as_found)
PYTHON
