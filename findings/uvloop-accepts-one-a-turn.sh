#!/usr/bin/env bash
# A server on uvloop accepts one connection in a turn of its event loop, however many wait.
#
# Version:  uvloop 0.23.0.
# Expected: all that wait are accepted at once, up to the backlog, as on asyncio's own loop.
# Seen:     one a turn. Where a turn takes 10 ms because the process is busy, that is a hundred a second; the others wait
#           in the kernel's queue, and once it is full their clients try again after a second, then after three.
# So:       10,000 clients that came back to a gateway under load were let in at 100 a second, and a tenth of them gave
#           up. Our servers listen by 32 copies of one socket, each of which accepts one (services/gateway/http/server.py).
#
# Ends with 0 as long as this is so, with 1 when it has changed. Takes some ten seconds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "uvloop==0.23.0"

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import uvloop

CLIENTS = 50


class Counting(asyncio.Protocol):
    made = 0

    def connection_made(self, transport):
        Counting.made += 1


async def most_in_a_turn():
    Counting.made = 0
    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0, backlog=100)
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(CLIENTS)]
    most = 0
    while Counting.made < CLIENTS:
        before = Counting.made
        await asyncio.sleep(0)
        most = max(most, Counting.made - before)
    for each in clients:
        each.close()
    server.close()
    return most


def on(factory):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(most_in_a_turn())


own, other = on(asyncio.new_event_loop), on(uvloop.new_event_loop)
print(f"of {CLIENTS} connections that wait, one turn of asyncio's loop accepts {own}, one of uvloop's {other}")
sys.exit(0 if own > 1 and other == 1 else 1)
PYTHON
