#!/usr/bin/env bash
# InfluxDB's client for Python 3 drops the last three digits of a time that is given as text with nanoseconds.
#
# Version:  influxdb3-python 0.21.0.
# Expected: 12:00:00.123456789 is written as ...123456789, the precision of the line protocol, or refused.
# Seen:     ...123456000, without a word. Points of one microsecond get one time.
# So:       no time tells points apart here: a point counts however many have its time. Ours are milliseconds.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "influxdb3-python==0.21.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from influxdb_client_3 import Point

times = ["2026-11-28T12:00:00.123456001Z", "2026-11-28T12:00:00.123456789Z"]
lines = [Point("level").field("value", 1.5).time(time).to_line_protocol() for time in times]

print(*lines, sep="\n")
as_found = lines[0] == lines[1] and lines[0].endswith("123456000")
print("as found" if as_found else "CHANGED: expected two lines with one time, cut to the microsecond")
sys.exit(not as_found)
PYTHON
