#!/usr/bin/env bash
# An aiokafka client that was told of no broker at first asks nobody, for ever, once that connection is gone.
#
# Version:  aiokafka 0.14.0.
# Expected: a client that knows no broker asks the servers that it was given again, as it did when it began.
# Seen:     it began with success although the broker, which had just started, named none. When that connection is
#           closed, each update of the metadata fails with "Unable to update metadata from []", while the broker is
#           there, under the same address, and would name itself.
# So:       a consumer may stay in its group and fetch nothing. Ours asks the bootstrap servers again until a broker is
#           named, and a process of Faust that knows none ends itself.
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

from aiokafka.client import AIOKafkaClient

API_VERSIONS, METADATA = 18, 3
text = lambda said: struct.pack(">h", len(said)) + said


def versions():
    """Metadata in version 1 and ApiVersions in version 0, and nothing else."""
    known = [(METADATA, 1, 1), (API_VERSIONS, 0, 0)]
    return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)


def metadata(brokers):
    """Node, host, port and no rack of each broker; the controller; no topic."""
    named = b"".join(struct.pack(">i", node) + text(host) + struct.pack(">ih", port, -1) for node, host, port in brokers)
    return struct.pack(">i", len(brokers)) + named + struct.pack(">ii", brokers[0][0] if brokers else -1, 0)


async def main():
    brokers, connections = [], []

    async def broker(reader, writer):
        connections.append(writer)
        try:
            while True:
                request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
                kind, _, number = struct.unpack(">hhi", request[:8])
                body = versions() if kind == API_VERSIONS else metadata(brokers)
                writer.write(struct.pack(">ii", 4 + len(body), number) + body)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
    await client.bootstrap()
    began = len(client.cluster.brokers())
    for connection in connections:
        connection.close()
    await asyncio.sleep(0.5)
    brokers.append((1, b"127.0.0.1", port))  # the broker is up now, under the same address
    updated = [await client.force_metadata_update() for _ in range(3)]
    after = len(client.cluster.brokers())
    await client.bootstrap()
    again = len(client.cluster.brokers())
    await client.close()
    print(f"brokers known at first: {began}; updates: {updated}; brokers known then: {after}; led back: {again}")
    return (began, updated, after, again) == (0, [False] * 3, 0, 1)


as_found = asyncio.run(main())
print("as found" if as_found else "CHANGED: expected a client that finds no way back by itself")
sys.exit(not as_found)
PYTHON
