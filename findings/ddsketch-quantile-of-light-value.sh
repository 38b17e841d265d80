#!/usr/bin/env bash
# A DDSketch answers with a negative number for positive values whose weights add up to less than 1.
#
# Version:  ddsketch 3.0.1.
# Expected: the median of 5, added with a weight of 0.5, is 5 within 1 %: the library takes any positive weight.
# Seen:     it is -0.99, and so is every quantile but the lowest; with a weight of 1 it is 5.003.
# So:       our own sketch is tested with weights below 1, and nobody is to be told to read ours with this library.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ddsketch==3.0.1"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from ddsketch import DDSketch

medians = {}
for weight in (0.5, 1.0):
    sketch = DDSketch(relative_accuracy=0.01)
    sketch.add(5.0, weight=weight)
    medians[weight] = sketch.get_quantile_value(0.5)

print("median of 5.0 by weight:", medians)
as_found = medians[0.5] < 0 and abs(medians[1.0] - 5) < 0.05
print("as found" if as_found else "CHANGED: expected a negative median for the weight 0.5, and 5 for 1.0")
sys.exit(not as_found)
PYTHON
