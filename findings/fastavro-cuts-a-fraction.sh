#!/usr/bin/env bash
# fastavro writes 1.9 into a field of type long as 1, and says nothing.
#
# Version:  fastavro 1.13.1.
# Expected: a float is no long: an error, as from the validation of the same library.
# Seen:     1.9 comes back as 1, -1.9 as -1. `validate` of the same schema refuses both, but writing does not ask it.
# So:       before points are made of Avro records, fields of measurements are `double` in the schema, or the writer
#           is asked to check (`validator=True`).
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "fastavro==1.13.1"

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import fastavro
import fastavro.validation

schema = fastavro.parse_schema(
    {"type": "record", "name": "Sample", "fields": [{"name": "seconds", "type": "long"}]}
)


def back(seconds):
    """The value that a reader finds."""
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"seconds": seconds}])
    file.seek(0)
    [record] = fastavro.reader(file)
    return record["seconds"]


def checked(seconds):
    """Whether the writer refuses it when it is asked to check."""
    try:
        fastavro.writer(io.BytesIO(), schema, [{"seconds": seconds}], validator=True)
    except fastavro.validation.ValidationError as error:
        print(f"with validator=True: {type(error).__name__}")
        return True
    return False


seen = {seconds: back(seconds) for seconds in (1.9, -1.9, 2)}
print(f"written and read: {seen}")
as_found = seen == {1.9: 1, -1.9: -1, 2: 2} and checked(1.9)
print("as found" if as_found else "CHANGED: expected fractions to be cut off in silence")
sys.exit(not as_found)
PYTHON
