#!/usr/bin/env bash
# The Python client of PostHog sends a batch again that was answered 202.
#
# Version:  posthog 7.91.1.
# Expected: 202 says that the batch was accepted, as any other status of success does.
# Seen:     the client posts the same batch again, until its retries are used up; after 200 it does not.
# So:       the routes of PostHog answer 200, never the 202 that our other routes have.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "posthog==7.91.1"

"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from posthog import Posthog

posted = {200: [], 202: []}


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the path begins with."""

    def do_POST(self):
        status = int(self.path.split("/")[1])
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        posted[status] += [event["uuid"] for event in body["batch"]]
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
Thread(target=server.serve_forever, daemon=True).start()
for status in posted:
    client = Posthog("key", host=f"http://127.0.0.1:{server.server_port}/{status}", max_retries=1)
    client.capture("order placed", distinct_id="ann")
    client.shutdown()

print(*(f"after {status}: posted {len(ids)} times, {len(set(ids))} event" for status, ids in posted.items()), sep="\n")
as_found = len(posted[200]) == 1 < len(posted[202]) and len(set(posted[202])) == 1
print("as found" if as_found else "CHANGED: expected one post after 200 and several after 202")
sys.exit(not as_found)
PYTHON
