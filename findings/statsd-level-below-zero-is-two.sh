#!/usr/bin/env bash
# The Python client of StatsD sends a level of -5 as two levels, 0 and then -5.
#
# Version:  statsd 4.0.1.
# Expected: a gauge of -5 is one sample of -5.
# Seen:     one datagram with `temperature:0|g` and `temperature:-5|g`, since a minus alone means a change to a server; a
#           mean over such samples is -2.5, and their maximum 0. A level of 5 is one line.
# So:       a zero that stands right before what is taken from the same gauge is no point with us.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "statsd==4.0.1"

"$folder/venv/bin/python" - <<'PYTHON'
import socket
import sys

import statsd

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
server.settimeout(5)
client = statsd.StatsClient(*server.getsockname())

datagrams = {}
for level in (5, -5):
    client.gauge("temperature", level)
    datagrams[level] = server.recv(1500).decode().splitlines()
    print(f"gauge({level}) sends {datagrams[level]}")

as_found = datagrams == {5: ["temperature:5|g"], -5: ["temperature:0|g", "temperature:-5|g"]}
print("as found" if as_found else "CHANGED: expected two lines for a level below zero")
sys.exit(not as_found)
PYTHON
