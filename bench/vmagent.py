"""vmagent as a peer: built by Go once from its module, and run beside ours.

Its writing to Kafka is in the paid edition alone, so it takes remote write and forwards it by remote write to a sink
that acknowledges at once. It answers before it has forwarded. All else is as it ships, but for `GOGC=400`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from bench import stand
from bench.figure import say
from tests.e2e.agents import programs

VERSION = programs.VMAGENT.version.removeprefix("v")

GOGC = "400"
"""How much the heap may grow before it is collected, in percent; by itself it is 30, which costs more."""

FLUSH_S = 2.0
"""What waits is forwarded each second."""


def program() -> Path:
    """Where it is; built when it was not built before, which takes minutes. Raises `Misconfigured`."""
    return programs.program("vmagent", say)


@contextmanager
def started(room: stand.Room, sink: int) -> Iterator[tuple[stand.Process, int]]:
    """vmagent, which forwards to this port, and the port it listens on."""
    port = stand.free_port()
    command = [
        str(program()), f"-httpListenAddr=127.0.0.1:{port}", f"-remoteWrite.url=http://127.0.0.1:{sink}/api/v1/write",
        f"-remoteWrite.tmpDataPath={room.folder / 'vmagent'}", "-loggerLevel=WARN",
    ]  # fmt: skip
    with stand.running("vmagent", command, room.folder, {"GOGC": GOGC}) as process:
        yield process, port


async def until_ready(process: stand.Process, port: int) -> None:
    """Wait until it says that it is healthy."""
    async with aiohttp.ClientSession() as session:

        async def healthy() -> bool:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await stand.until("vmagent is healthy", process, healthy)


async def forwarded(sink: int) -> int:
    """How many points the sink has, once no more come."""
    async with aiohttp.ClientSession() as session:
        before = -1
        while True:
            async with session.get(f"http://127.0.0.1:{sink}/count") as answer:
                now = int(await answer.text())
            if now == before:
                return now
            before = now
            await asyncio.sleep(FLUSH_S)
