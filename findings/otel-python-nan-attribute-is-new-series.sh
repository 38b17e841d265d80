#!/usr/bin/env bash
# OpenTelemetry Python begins a new series with each increment whose attribute is NaN.
#
# Version:  opentelemetry-sdk 1.45.2.
# Expected: three increments with the attribute ratio = NaN are one point of 3, or the attribute is dropped.
# Seen:     three points of 1 with the same attributes.
# So:       a decoder of OTLP has one text for each kind of attribute, NaN too, and expects several points of one
#           identity in a request. Our own routes take labels as strings only.
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


def values_with(attributes):
    """The values of the points after three increments with equal attributes."""
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader]).get_meter("finding").create_counter("orders")
    for each in attributes:
        counter.add(1, {"ratio": each})
    [resource] = reader.get_metrics_data().resource_metrics
    return [point.value for point in resource.scope_metrics[0].metrics[0].data.data_points]


whole, undefined = values_with([0.5] * 3), values_with([float("nan") for _ in range(3)])
print(f"three increments with 0.5: {whole}; with NaN: {undefined}")
as_found = ([3], [1, 1, 1]) == (whole, undefined)
print("as found" if as_found else "CHANGED: expected one point of 3, and three points of 1")
sys.exit(not as_found)
PYTHON
