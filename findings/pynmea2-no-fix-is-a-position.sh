#!/usr/bin/env bash
# pynmea2 gives latitude 0.0 and longitude 0.0 for a receiver that has no fix.
#
# Version:  pynmea2 1.19.0.
# Expected: the fields of the position are empty in the sentence, so they are None, as the speed is.
# Seen:     0.0 and 0.0, a point in the Gulf of Guinea, in sentences RMC and GGA; speed and altitude are None.
# So:       who posts positions as gauges asks for the status first (`is_valid`, or `gps_qual` above 0).
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pynmea2==1.19.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from functools import reduce
from operator import xor

import pynmea2


def parsed(sentence):
    """A sentence with its checksum, as a receiver sends it."""
    return pynmea2.parse(f"${sentence}*{reduce(xor, sentence.encode()):02X}")


rmc = parsed("GPRMC,120000.00,V,,,,,,,301126,,,N")
gga = parsed("GPGGA,120000.00,,,,,0,00,99.99,,M,,M,,")
print(f"RMC without a fix: {rmc.latitude}, {rmc.longitude}, speed {rmc.spd_over_grnd}, valid {rmc.is_valid}")
print(f"GGA without a fix: {gga.latitude}, {gga.longitude}, altitude {gga.altitude}, quality {gga.gps_qual}")

seen = (rmc.latitude, rmc.longitude, rmc.spd_over_grnd, gga.latitude, gga.longitude, gga.altitude)
as_found = (0.0, 0.0, None, 0.0, 0.0, None) == seen and not rmc.is_valid and not gga.gps_qual
print("as found" if as_found else "CHANGED: expected a position of zeros without a fix")
sys.exit(not as_found)
PYTHON
