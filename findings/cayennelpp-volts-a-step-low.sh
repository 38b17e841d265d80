#!/usr/bin/env bash
# PyCayenneLPP sends 1.15 V as 1.14 V: it cuts off what it should round.
#
# Version:  pycayennelpp 2.4.0.
# Expected: the format has steps of 0.01 V, so each whole number of hundredths comes back as it was sent.
# Seen:     of the 301 values from 0.00 to 3.00 V, 18 come back a step lower, and none higher.
# So:       a value of a device may be a step low: thresholds of rules lie between two steps, not on one.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pycayennelpp==2.4.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from cayennelpp import LppFrame


def sent(volts):
    """The value that comes back."""
    frame = LppFrame()
    frame.add_voltage(1, volts)
    [value] = LppFrame().from_bytes(bytes(frame)).data[0].value
    return value


values = [hundredths / 100 for hundredths in range(301)]
steps = [round((sent(value) - value) * 100) for value in values]
low = [value for value, step in zip(values, steps) if step]

print(f"1.15 V comes back as {sent(1.15)} V; a step low are {len(low)} of {len(values)}: {low[:6]} ...")
as_found = (1.14, 18, {0, -1}) == (sent(1.15), len(low), set(steps))
print("as found" if as_found else "CHANGED: expected values that come back a step low")
sys.exit(not as_found)
PYTHON
