"""A gate between a client and the queries: it lets so many bytes of an answer through, and the rest when it is opened.

Bytes. It holds little itself, so that whoever answers waits as well. A connection that was reset behind it is reset
before it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

BUFFER_BYTES = 64 << 10


class Gate:
    """What passes from one address to a port of its own."""

    def __init__(self, target: str, held_after: int) -> None:
        self._target = urlsplit(target)
        self._held_after = held_after
        self.reached = asyncio.Event()
        """Set when an answer has come to the gate."""
        self.open = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        behind, ahead = await self._connected()
        asking = asyncio.create_task(_pass(reader, ahead))
        passed = 0
        try:
            while data := await behind.read(BUFFER_BYTES):
                passed += len(data)
                if passed >= self._held_after and not self.open.is_set():
                    self.reached.set()
                    await self.open.wait()
                writer.write(data)
                await writer.drain()
            writer.close()
        except ConnectionError:
            writer.transport.abort()
        finally:
            asking.cancel()
            ahead.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (self._target.hostname, self._target.port))
        return await asyncio.open_connection(sock=sock, limit=BUFFER_BYTES)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(BUFFER_BYTES):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def gate(target: str, held_after: int) -> AsyncIterator[Gate]:
    """A gate before an address, until the end of the block."""
    made = Gate(target, held_after)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=BUFFER_BYTES)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.open.set()
        server.close()
