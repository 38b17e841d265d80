#!/usr/bin/env bash
# A consumer of aiokafka whose fetch has failed raises CancelledError in whoever stops it, and leaves its connections open.
#
# Version:  aiokafka 0.14.0.
# Expected: `stop` returns, whatever the broker has done.
# Seen:     a fetch that failed rests for `retry_backoff_ms` before the next one. `stop` cancels that rest, and its
#           CancelledError comes out of `stop`, which ends there: the connections are closed by nobody. The caller's
#           own task ends as cancelled, so that no error is seen.
# So:       a process that follows a topic ended itself after the broker had stood still, once in some restarts of its
#           reading. What `stop` left out is done by ours (shared/runtime/kafka.py).
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

from aiokafka import AIOKafkaConsumer, TopicPartition

FETCH, METADATA, API_VERSIONS = 1, 3, 18


def text(value):
    return struct.pack(">h", len(value)) + value


def answer(kind, port):
    """Metadata in version 1, with a topic of one partition, or ApiVersions in version 0; a fetch has no answer."""
    if kind == API_VERSIONS:
        known = [(FETCH, 0, 4), (METADATA, 0, 1), (API_VERSIONS, 0, 0)]
        return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)
    broker = struct.pack(">ii", 1, 0) + text(b"127.0.0.1") + struct.pack(">ih", port, -1)
    partition = struct.pack(">ihii", 1, 0, 0, 0) + struct.pack(">ii", 1, 0) + struct.pack(">ii", 1, 0)
    topic = struct.pack(">ih", 1, 0) + text(b"topic") + b"\0" + partition
    return broker + struct.pack(">i", 0) + topic


async def talk(reader, writer):
    try:
        while True:
            request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
            kind, _, number = struct.unpack(">hhi", request[:8])
            if kind == FETCH:
                asked.set()
                await reader.read()  # nothing is answered any more
                return
            body = answer(kind, writer.get_extra_info("sockname")[1])
            writer.write(struct.pack(">ii", 4 + len(body), number) + body)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def stopped(port, rests):
    """What `stop` does while a fetch is under way, or rests after it has failed."""
    asked.clear()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=500, retry_backoff_ms=60_000
    )
    await consumer.start()
    consumer.assign([TopicPartition("topic", 0)])
    consumer.seek(TopicPartition("topic", 0), 0)
    await asked.wait()
    if rests:
        await asyncio.sleep(2)
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        open_ = len(consumer._client._conns)
        return f"raises CancelledError, though {asyncio.current_task().cancelling()} were asked for ({open_} open)"
    return "returns"


async def main():
    global asked
    asked = asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return await stopped(port, rests=False), await stopped(port, rests=True)


under_way, resting = asyncio.run(asyncio.wait_for(main(), 30))
print(f"while a fetch is under way stop {under_way}; after it has failed it {resting}")
found = under_way == "returns" and "CancelledError" in resting
print("as found" if found else "this has changed")
sys.stdout.flush()
sys.exit(not found)
PYTHON
