#!/usr/bin/env bash
# The CloudEvents SDK for Python sends the JSON value false as the word False, which comes back as a string.
#
# Version:  cloudevents 2.2.0, HTTP in binary mode.
# Expected: the body is false, and the extension true is the header "true", as the specification writes booleans.
# Seen:     the body is False, which is no JSON, under application/json; the header is "True". In structured mode
#           the body is right.
# So:       whoever takes CloudEvents in binary mode meets bodies that are no JSON, and two spellings of a boolean.
#           A body of ours that is no JSON is 400.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "cloudevents==2.2.0"

"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

from cloudevents.core.bindings.http import from_binary_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

event = CloudEvent(
    attributes={
        "id": "1",
        "source": "/door",
        "type": "opened",
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "sampled": True,
    },
    data=False,
)
binary = to_binary_event(event)
received = from_binary_event(binary)
structured = json.loads(to_structured_event(event).body)

print(f"binary: body {binary.body!r}, header {binary.headers['ce-sampled']!r}, received {received.get_data()!r}")
print(f"structured: data {structured['data']!r}, extension {structured['sampled']!r}")
as_found = (b"False", "True", "False") == (binary.body, binary.headers["ce-sampled"], received.get_data())
as_found = as_found and (False, True) == (structured["data"], structured["sampled"])
print("as found" if as_found else "CHANGED: expected the words False and True in binary mode only")
sys.exit(not as_found)
PYTHON
