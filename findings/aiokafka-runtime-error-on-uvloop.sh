#!/usr/bin/env bash
# A request of an aiokafka client fails with RuntimeError on uvloop when the broker has reset its connection.
#
# Version:  aiokafka 0.14.0, uvloop 0.23.0.
# Expected: KafkaConnectionError, which says that one may try again, whatever event loop the client runs on.
# Seen:     of requests that meet on such a connection all fail so on asyncio's own loop. On uvloop the first write
#           tells the loop, and the next one raises RuntimeError ("the handler is closed"), which asyncio passes over.
#           Nothing in aiokafka expects it: the task that keeps the metadata ends by it, too, and nobody is told.
# So:       a consumer may stay in its group after a restart of the broker and fetch nothing. Our services run on uvloop
#           with asyncio's manners (shared/runtime/loop.py), and a worker that folds nothing while records wait ends itself.
#           redis-py 8.1 lets the same RuntimeError out when a server is killed while it connects.
#
# Ends with 0 as long as this is so, with 1 when it has changed. Takes some ten seconds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "aiokafka==0.14.0" "uvloop==0.23.0"

"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import asyncio
import socket
import struct
import sys
import threading
import time

import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.metadata import MetadataRequest

API_VERSIONS, METADATA = 18, 3
RESET = struct.pack("ii", 1, 0)


def answer(kind, port):
    """Metadata in version 1, which names this broker, or ApiVersions in version 0."""
    if kind == API_VERSIONS:
        known = [(METADATA, 1, 1), (API_VERSIONS, 0, 0)]
        return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)
    host = b"127.0.0.1"
    named = struct.pack(">ih", 1, len(host)) + host + struct.pack(">ih", port, -1)
    return struct.pack(">i", 1) + named + struct.pack(">ii", 1, 0)


class Broker(threading.Thread):
    """Answers, until it is told to reset all connections; then it answers new ones."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ready, self.writers = threading.Event(), []

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        self.loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await server.serve_forever()

    async def talk(self, reader, writer):
        self.writers.append(writer)
        try:
            while True:
                request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
                kind, _, number = struct.unpack(">hhi", request[:8])
                body = answer(kind, self.port)
                writer.write(struct.pack(">ii", 4 + len(body), number) + body)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def reset(self):
        done = threading.Event()
        self.loop.call_soon_threadsafe(self._reset, done)
        done.wait()

    def _reset(self, done):
        for writer in self.writers:
            if not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
        self.writers.clear()
        self.loop.call_soon(self.loop.call_soon, done.set)


async def failures(broker):
    """What requests fail with that meet on a connection that was reset."""
    client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{broker.port}", request_timeout_ms=2000)
    await client.bootstrap()
    await client.ready(1)
    broker.reset()
    time.sleep(0.05)  # the reset is there before the loop looks
    requests = []
    for _ in range(3):  # one a turn of the loop
        requests.append(asyncio.ensure_future(client.send(1, MetadataRequest([]))))
        await asyncio.sleep(0)
    return [type(failed).__name__ for failed in await asyncio.gather(*requests, return_exceptions=True)]


def on(loop_factory, broker):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(failures(broker))


broker = Broker()
broker.start()
broker.ready.wait()
asyncio_s, uvloop_s = on(asyncio.new_event_loop, broker), on(uvloop.new_event_loop, broker)
print(f"requests after a reset, on asyncio: {', '.join(asyncio_s)}; on uvloop: {', '.join(uvloop_s)}")
found = "RuntimeError" not in asyncio_s and "RuntimeError" in uvloop_s
print("as found" if found else "this has changed")
sys.stdout.flush()
sys.exit(not found)
PYTHON
