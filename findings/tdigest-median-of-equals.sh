#!/usr/bin/env bash
# Two t-digest libraries put the median of 1, 1, 1, 1000 at 250.75, two others at 1.
#
# Version:  tdigest 0.5.2.2, pytdigest 0.1.4, fastdigest 0.12.0, datasketches 5.2.0, numpy 2.4.6.
# Expected: four values are fewer than any of them has to merge, so all say 1, as numpy does.
# Seen:     tdigest and pytdigest say 250.75: they interpolate between the means of 1 and 1000, wherever the rank lies.
# So:       figures of t-digests are not compared with ours by the digit; the median of these values is one of our tests.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "tdigest==0.5.2.2" "pytdigest==0.1.4" "fastdigest==0.12.0" "datasketches==5.2.0" "numpy==2.4.6"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import datasketches
import fastdigest
import numpy
import pytdigest
import tdigest

VALUES = [1.0, 1.0, 1.0, 1000.0]

of_tdigest = tdigest.TDigest()
of_tdigest.batch_update(VALUES)
of_datasketches = datasketches.tdigest_double(100)
for value in VALUES:
    of_datasketches.update(value)
medians = {
    "numpy": float(numpy.median(VALUES)),
    "tdigest": of_tdigest.percentile(50),
    "pytdigest": float(pytdigest.TDigest.compute(numpy.array(VALUES)).inverse_cdf(0.5)),
    "fastdigest": fastdigest.TDigest.from_values(VALUES).quantile(0.5),
    "datasketches": of_datasketches.get_quantile(0.5),
}

print("median of", VALUES, "by library:", medians)
as_found = list(medians.values()) == [1.0, 250.75, 250.75, 1.0, 1.0]
print("as found" if as_found else "CHANGED: expected 1, 250.75, 250.75, 1 and 1")
sys.exit(not as_found)
PYTHON
