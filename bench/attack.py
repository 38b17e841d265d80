"""`python -m bench.attack sockets|tenant PORT SECONDS [KEY]`: who disturbs a gateway, as a process of its own.

Seconds. `sockets` keeps 300 sockets open that say nothing and 300 that send a byte each half second, without a key,
half of them in the headers and half in a body; each is opened again when it is closed. `tenant` posts ten times what a
quota of 5,000 points a second allows. One JSON line says what became of them.
"""

import asyncio
import json
import sys
from collections import Counter

from bench import feed
from shared.runtime.clock import monotonic_s

SOCKETS = 300
"""Of each kind."""

DRIP_S = 0.5

QUOTA = 5_000
"""Points a second that the noisy tenant may send."""

TIMES = 10
POINTS = 100

HEAD = b"POST /v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
DRIPPED = {"head": HEAD + b"x-filler: " + b"f" * 10_000, "body": HEAD + b"content-length: 10000\r\n\r\n"}
"""What is sent byte by byte, and what stands before a body of bytes."""


async def _socket(port: int, kind: str, end_s: float, counts: Counter[str]) -> None:
    """One socket after the other."""
    while monotonic_s() < end_s:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            counts["not opened"] += 1
            await asyncio.sleep(0.1)
            continue
        counts[kind] += 1
        dripping = asyncio.create_task(_drip(writer, kind))
        try:
            async with asyncio.timeout(max(0.0, end_s - monotonic_s())):
                while await reader.read(4096):
                    pass
                counts["closed"] += 1
        except (TimeoutError, OSError):
            pass
        dripping.cancel()
        writer.close()


async def _drip(writer: asyncio.StreamWriter, kind: str) -> None:
    if kind == "silent":
        return
    if kind == "body":
        writer.write(DRIPPED[kind])
    for byte in DRIPPED[kind] if kind == "head" else b"{" * 10_000:
        if writer.is_closing():
            return
        writer.write(bytes((byte,)))
        await asyncio.sleep(DRIP_S)


async def sockets(port: int, seconds: float) -> Counter[str]:
    """Silent and dripping ones, for so long."""
    counts: Counter[str] = Counter()
    kinds = ["silent"] * SOCKETS + ["head", "body"] * (SOCKETS // 2)
    end_s = monotonic_s() + seconds
    await asyncio.gather(*(_socket(port, kind, end_s, counts) for kind in kinds))
    return counts


async def tenant(port: int, seconds: float, key: str) -> Counter[str]:
    """A tenant far above its quota, for so long; what it was answered."""
    stream = feed.Stream(feed.POINTS, feed.templates(500, POINTS, 40), POINTS, POINTS / (TIMES * QUOTA))
    counts: Counter[str] = Counter()
    begin_s = monotonic_s()
    async with feed.client(port, key) as session:

        async def one(number: int) -> None:
            await asyncio.sleep(begin_s + number * stream.every_s - monotonic_s())
            counts[str(await feed.post(session, stream.body(number)))] += 1

        await asyncio.gather(*map(one, range(int(seconds / stream.every_s))))
    return counts


async def _main(kind: str, port: int, seconds: float, key: str = "") -> None:
    counts = await (tenant(port, seconds, key) if kind == "tenant" else sockets(port, seconds))
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
