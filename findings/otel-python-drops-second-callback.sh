#!/usr/bin/env bash
# OpenTelemetry Python never calls the callback of an observable instrument that is created a second time.
#
# Version:  opentelemetry-sdk 1.45.2.
# Expected: both callbacks are called, as counters that are created twice add up; or else a warning.
# Seen:     the second create_observable_gauge returns the first instrument, its callback is dropped, nothing is logged.
# So:       an observable instrument is created once a process, with a callback that looks at all there is to look at.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-sdk==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

logged = []


class Keep(logging.Handler):
    """Remembers what is logged."""

    def emit(self, record):
        logged.append(record.getMessage())


logging.basicConfig(level=logging.DEBUG, handlers=[Keep()])
reader = InMemoryMetricReader()
meter = MeterProvider([reader]).get_meter("finding")
for queue, depth in (("orders", 1), ("returns", 2)):
    meter.create_observable_gauge("depth", [lambda _, q=queue, d=depth: [Observation(d, {"queue": q})]])
    meter.create_counter("opened").add(1)

[resource] = reader.get_metrics_data().resource_metrics
metrics = {each.name: each.data.data_points for each in resource.scope_metrics[0].metrics}
queues = [point.attributes["queue"] for point in metrics["depth"]]
[opened] = [point.value for point in metrics["opened"]]

print(f"queues seen: {queues}; counter: {opened}; logged: {logged}")
as_found = (["orders"], 2, []) == (queues, opened, logged)
print("as found" if as_found else "CHANGED: expected the first queue only, both counts, and no word about it")
sys.exit(not as_found)
PYTHON
