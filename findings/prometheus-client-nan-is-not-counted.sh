#!/usr/bin/env bash
# A histogram of prometheus_client does not count NaN, yet its sum is NaN from then on.
#
# Version:  prometheus-client 0.26.0.
# Expected: NaN is counted and added, or neither.
# Seen:     count and buckets stay as they are, the sum is NaN for the rest of the process.
# So:       a sum that is no number refuses nothing but itself; count and buckets beside it are good.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "prometheus-client==0.26.0"

"$folder/venv/bin/python" - <<'PYTHON'
import math
import sys

from prometheus_client import CollectorRegistry, Histogram

registry = CollectorRegistry()
histogram = Histogram("seconds", "Time taken.", buckets=(1, 2), registry=registry)
for value in (1.5, float("nan"), 1.5):
    histogram.observe(value)
count, total = (registry.get_sample_value(name) for name in ("seconds_count", "seconds_sum"))

print(f"after 1.5, NaN and 1.5: count {count}, sum {total}")
as_found = count == 2 and math.isnan(total)
print("as found" if as_found else "CHANGED: expected a count of 2 beside a sum that is NaN")
sys.exit(not as_found)
PYTHON
