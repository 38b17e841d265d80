#!/usr/bin/env bash
# HdrHistogram for Python answers a maximum below every value, once a coarser histogram was added to a finer one.
#
# Version:  hdrhistogram 0.10.8.
# Expected: ten values of 100,000 and more, at two digits, added to an empty histogram of three: a maximum of at least
#           100,000, as the coarser one had.
# Seen:     a maximum of 99,903: the bounds of a bucket are those of the coarser one, its width is that of the finer.
# So:       histograms are added where their resolution is the same; our sketches have one accuracy.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "hdrhistogram==0.10.8"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from hdrh.histogram import HdrHistogram

values = range(100_000, 100_010)
coarse = HdrHistogram(1, 3_600_000, 2)
for value in values:
    coarse.record_value(value)
fine = HdrHistogram(1, 3_600_000, 3)
fine.add(coarse)

print(f"values {min(values)} to {max(values)}")
print(f"two digits:   n {coarse.get_total_count()}, maximum {coarse.get_max_value()}")
print(f"three digits: n {fine.get_total_count()}, maximum {fine.get_max_value()}, after add()")
as_found = (10, 100_351, 10, 99_903) == (
    coarse.get_total_count(), coarse.get_max_value(), fine.get_total_count(), fine.get_max_value()
)
print("as found" if as_found else "CHANGED: expected a maximum below all values")
sys.exit(not as_found)
PYTHON
