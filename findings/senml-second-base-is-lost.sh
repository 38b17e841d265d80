#!/usr/bin/env bash
# The SenML package for Python gives what a second device sent to the first.
#
# Version:  senml 0.1.0.
# Expected: base fields hold for the records behind them until another sets them anew (RFC 8428, 4.1); so a pack may
#           carry the values of two devices.
# Seen:     only the first record's base name and base time count: the humidity of `urn:dev:b:` is `urn:dev:a:humidity`,
#           and of the time of the first.
# So:       who posts SenML to us resolves it first, by the RFC; no door of ours takes it.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "senml==0.1.0" "attrs==26.1.0"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from senml import SenMLDocument

pack = [
    {"bn": "urn:dev:a:", "bt": 1790000000, "n": "temperature", "u": "Cel", "v": 20.5},
    {"bn": "urn:dev:b:", "bt": 1790000600, "n": "humidity", "u": "%RH", "v": 40},
]
document = SenMLDocument.from_json(pack)
seen = [
    (resolved.name, resolved.time)
    for resolved in (measurement.to_absolute(document.base) for measurement in document.measurements)
]
for name, time in seen:
    print(name, time)
as_found = [("urn:dev:a:temperature", 1790000000), ("urn:dev:a:humidity", 1790000000)] == seen
print("as found" if as_found else "CHANGED: expected the second base to be lost")
sys.exit(not as_found)
PYTHON
