#!/usr/bin/env bash
# An Int8 of -5 that pysparkplug sends is 251 to Eclipse Tahu's package for JavaScript, and what that one sends pysparkplug
# cannot read.
#
# Version:  pysparkplug 0.6.1, sparkplug-payload 1.0.3 (npm).
# Expected: both speak Sparkplug B, so a temperature below zero is the same to both.
# Seen:     Python fills 8 bits of the field of 32 (251), JavaScript all 32 (4294967291). JavaScript reads 251 and, of an
#           Int16, 65531; Python refuses with OverflowError. Int32 and Int64 pass both ways.
# So:       devices that go below zero declare Int32, Int64, Float or Double.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pysparkplug==0.6.1"
cd "$folder"
npm install --silent --no-audit --no-fund sparkplug-payload@1.0.3 >/dev/null

cat >send.py <<'PYTHON'
from pysparkplug import DataType, DData, Metric

types = (DataType.INT8, DataType.INT16, DataType.INT32)
metrics = tuple(Metric(timestamp=1, name=kind.name, datatype=kind, value=-5) for kind in types)
print(DData(timestamp=1, seq=0, metrics=metrics).encode(include_dtypes=True).hex())
PYTHON
cat >read.py <<'PYTHON'
import sys

from pysparkplug import DData

try:
    print(",".join(str(metric.value) for metric in DData.decode(bytes.fromhex(sys.argv[1])).metrics))
except OverflowError as error:
    print(type(error).__name__)
PYTHON
cat >read.js <<'JAVASCRIPT'
const sparkplug = require("sparkplug-payload").get("spBv1.0");
const { metrics } = sparkplug.decodePayload(Buffer.from(process.argv[2], "hex"));
console.log(metrics.map((metric) => metric.value).join());
JAVASCRIPT
cat >send.js <<'JAVASCRIPT'
const sparkplug = require("sparkplug-payload").get("spBv1.0");
const metrics = process.argv.slice(2).map((type) => ({ name: type, type, value: -5, timestamp: 1 }));
console.log(Buffer.from(sparkplug.encodePayload({ timestamp: 1, seq: 0, metrics })).toString("hex"));
JAVASCRIPT

to_javascript=$(node read.js "$(venv/bin/python send.py)")
to_python=$(venv/bin/python read.py "$(node send.js Int8)")
wide=$(venv/bin/python read.py "$(node send.js Int32 Int64)")
echo "Python sends -5 as Int8, Int16, Int32; JavaScript reads: $to_javascript"
echo "JavaScript sends -5 as Int8; Python says: $to_python; as Int32, Int64: $wide"
if [ "$to_javascript|$to_python|$wide" = "251,65531,-5|OverflowError|-5,-5" ]; then
    echo "as found"
else
    echo "CHANGED: expected 251, 65531 and OverflowError"
    exit 1
fi
