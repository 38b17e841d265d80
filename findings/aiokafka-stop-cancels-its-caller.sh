#!/usr/bin/env bash
# A consumer of aiokafka without a group that is stopped in the moment after its start raises CancelledError in its caller.
#
# Version:  aiokafka 0.14.0.
# Expected: `stop` returns, whenever it is called.
# Seen:     where nothing has waited between `start` and `stop`, as when the first question fails at once because the
#           broker names none yet, a task of the consumer has not begun. `stop` cancels it, and the CancelledError of
#           that task comes out of `stop`. The caller's own task ends by it: as cancelled, so that no error is seen.
# So:       a worker committed nothing for minutes after its broker had stood still: both of its tasks that ask the log
#           had ended so. We let those tasks begin before we stop (shared/runtime/kafka.py), and a task of ours that is
#           cancelled though nobody asked for it ends its process (shared/runtime/lifecycle.py).
#
# Ends with 0 as long as this is so, with 1 when it has changed. Takes some ten seconds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "aiokafka==0.14.0"

"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import asyncio
import struct
import sys

from aiokafka import AIOKafkaConsumer

API_VERSIONS, METADATA = 18, 3


def answer(kind, port):
    """Metadata in version 1, which names this broker, or ApiVersions in version 0."""
    if kind == API_VERSIONS:
        known = [(METADATA, 0, 1), (API_VERSIONS, 0, 0)]
        return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)
    host = b"127.0.0.1"
    named = struct.pack(">ih", 1, len(host)) + host + struct.pack(">ih", port, -1)
    return struct.pack(">i", 1) + named + struct.pack(">ii", 1, 0)


async def talk(reader, writer):
    try:
        while True:
            request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
            kind, _, number = struct.unpack(">hhi", request[:8])
            body = answer(kind, writer.get_extra_info("sockname")[1])
            writer.write(struct.pack(">ii", 4 + len(body), number) + body)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def stopped(port, pause):
    """What `stop` does after a start, at once or a turn of the loop later."""
    consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{port}")
    await consumer.start()
    if pause:
        await asyncio.sleep(0)
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        return f"raises CancelledError, though {asyncio.current_task().cancelling()} cancellations were asked for"
    return "returns"


async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return await stopped(port, pause=False), await stopped(port, pause=True)


at_once, later = asyncio.run(main())
print(f"stop at once {at_once}; a turn of the event loop later it {later}")
found = "CancelledError" in at_once and later == "returns"
print("as found" if found else "this has changed")
sys.stdout.flush()
sys.exit(not found)
PYTHON
