#!/usr/bin/env bash
# A counter of OpenTelemetry Python falls by one when a fraction is added to a large whole number.
#
# Version:  opentelemetry-sdk 1.45.2.
# Expected: a counter never falls: 2^53 + 1 and 0.5 are no less than 2^53 + 1 in whatever type it keeps them.
# Seen:     the total goes from the whole number 9007199254740993 to the double 9007199254740992, with the same start.
# So:       totals are compared as float64, in which this is no fall; a decoder that keeps whole numbers whole would see
#           a reset, and count 9 * 10^15 once more.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "opentelemetry-sdk==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
counter = MeterProvider([reader]).get_meter("finding").create_counter("bytes")
points = []
for amount in (2**53 + 1, 0.5):
    counter.add(amount)
    [resource] = reader.get_metrics_data().resource_metrics
    points += resource.scope_metrics[0].metrics[0].data.data_points
totals = [point.value for point in points]

print("totals:", totals)
same_start = points[0].start_time_unix_nano == points[1].start_time_unix_nano
as_found = same_start and totals == [2**53 + 1, float(2**53)] and totals[1] < totals[0]
print("as found" if as_found else "CHANGED: expected a total that falls by one, with the same start")
sys.exit(not as_found)
PYTHON
