#!/usr/bin/env bash
# OpenTelemetry Python says points that start after they end when the clock of the host is set back.
#
# Version:  opentelemetry-sdk 1.45.2; the clock is set by time-machine 3.6.0.
# Expected: start_time_unix_nano is never after time_unix_nano, as the data model has it for every interval.
# Seen:     after a step of 20 s back, running totals start 15 s after their own time until the clock is there again,
#           and one increment starts 20 s after it ends.
# So:       a start after its own time refuses a running total and nothing else: the next total that is after the start
#           brings all growth, and an increment counts whatever start it has. Both are tests.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-sdk==1.45.2" "time-machine==3.6.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import time_machine
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

BEGIN_S = 1_796_000_000


def lengths(temporality):
    """Seconds from the start of each point to its time: five after the first, twenty back, five on."""
    with time_machine.travel(float(BEGIN_S), tick=False) as clock:
        reader = InMemoryMetricReader(preferred_temporality={Counter: temporality})
        counter = MeterProvider([reader]).get_meter("finding").create_counter("orders")
        found = []
        for step_s in (0, 5, -20, 5):
            clock.shift(step_s)
            counter.add(1)
            [resource] = reader.get_metrics_data().resource_metrics
            [point] = resource.scope_metrics[0].metrics[0].data.data_points
            found.append(round((point.time_unix_nano - point.start_time_unix_nano) / 1e9))
    return found


totals_s, increments_s = (
    lengths(each) for each in (AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA)
)
print("seconds from start to time: of totals", totals_s, "of increments", increments_s)
as_found = ([0, 5, -15, -10], [0, 5, -20, 5]) == (totals_s, increments_s)
print("as found" if as_found else "CHANGED: expected points that start after their own time")
sys.exit(not as_found)
PYTHON
