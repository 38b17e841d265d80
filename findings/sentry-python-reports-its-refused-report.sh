#!/usr/bin/env bash
# Sentry's Python SDK reports a report that was refused.
#
# Version:  sentry-sdk 2.75.0.
# Expected: a client report, which tells what was lost, is not itself something that was lost.
# Seen:     when an envelope that holds nothing but a client report is answered 400, the next report tells of one more loss.
# So:       an envelope whose records are all refused, or not kept, is answered 200.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "sentry-sdk==2.75.0"

"$folder/venv/bin/python" - <<'PYTHON'
import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import sentry_sdk

reports = []


class Refuses(BaseHTTPRequestHandler):
    """Answers 400, and keeps the reports."""

    def do_POST(self):
        lines = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).splitlines()
        for header, payload in zip(lines[1::2], lines[2::2]):
            if json.loads(header)["type"] == "client_report":
                reports.append(json.loads(payload)["discarded_events"])
        self.send_response(400)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
Thread(target=server.serve_forever, daemon=True).start()
sentry_sdk.init(f"http://key@127.0.0.1:{server.server_port}/1", default_integrations=False)
transport = sentry_sdk.get_client().transport
transport.record_lost_event("before_send", data_category="error")
for _ in range(3):
    transport.flush(5)

for report in reports:
    print("report:", ", ".join(f"{one['reason']} of {one['category']}: {one['quantity']}" for one in report))
again = [one for report in reports[1:] for one in report if one["reason"] in ("network_error", "send_error")]
print("as found" if again else "CHANGED: expected a report of a report")
sys.exit(not again)
PYTHON
