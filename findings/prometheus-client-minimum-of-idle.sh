#!/usr/bin/env bash
# The minimum of a gauge over processes is 0 in prometheus_client as soon as one of them has not set it.
#
# Version:  prometheus-client 0.26.0, multiprocess mode.
# Expected: min and max are taken over the processes that set a value, as mostrecent is.
# Seen:     5 and 7 beside a process that only knows the gauge: the minimum is 0. So is the maximum of -5 and -7.
# So:       an alert on the minimum of such gauges fires, or keeps silent, from the start of a worker to its first value.
#           Each of our processes has a port of its own, and no gauge is merged before Prometheus reads it.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "prometheus-client==0.26.0"
mkdir "$folder/metrics"
export PROMETHEUS_MULTIPROC_DIR="$folder/metrics"

for value in 5 7 idle; do
    "$folder/venv/bin/python" - "$value" <<'PYTHON'
import sys

from prometheus_client import Gauge

least = Gauge("least", "Smallest.", multiprocess_mode="min")
most = Gauge("most", "Largest, of negative values.", multiprocess_mode="max")
newest = Gauge("newest", "Set last.", multiprocess_mode="mostrecent")
if sys.argv[1] != "idle":
    least.set(float(sys.argv[1]))
    most.set(-float(sys.argv[1]))
    newest.set(float(sys.argv[1]))
PYTHON
done

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from prometheus_client import CollectorRegistry, multiprocess

registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
found = {name: registry.get_sample_value(name) for name in ("least", "most", "newest")}

print("of 5, 7 and nothing:", found)
as_found = found == {"least": 0.0, "most": 0.0, "newest": 7.0}
print("as found" if as_found else "CHANGED: expected 0 for the smallest and the largest, 7 for the newest")
sys.exit(not as_found)
PYTHON
