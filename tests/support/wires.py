"""Wires between a process and its servers, so that one can be cut for this process alone, and mended.

While a wire is cut, what passed is reset and nobody is let in, as by a server that is away. What passed when a wire was
deafened is never heard of again, not even that it has ended, as after a sleep of the machine; who comes anew is let in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

from deploy.local.servers.server import GivenServer
from deploy.local.stack import Stack

_BYTES = 64 << 10


class Wire:
    """What passes from a port of its own to a server."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._open: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.port = 0

    @property
    def address(self) -> str:
        """The address of the server, by way of this wire."""
        user = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """The server is away from now on."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def deafen(self) -> int:
        """No byte more passes by the connections that are open; how many there are."""
        self._deaf |= self._open
        return len(self._deaf) // 2

    def mend(self) -> None:
        """The server is back."""
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until either side ends it."""
        if self._is_cut:
            writer.transport.abort()
            return
        behind, ahead = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, ahead}
        try:
            await asyncio.gather(self._pass(reader, ahead), self._pass(behind, writer))
        finally:
            self._open -= {writer, ahead}
            self._deaf -= {writer, ahead}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_BYTES):
                if writer in self._deaf:
                    continue
                writer.write(data)
                await writer.drain()
        if writer not in self._deaf:
            writer.close()


@asynccontextmanager
async def wire(target: str) -> AsyncIterator[Wire]:
    """A wire to one server."""
    made = Wire(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        server.close()


@asynccontextmanager
async def wired(stack: Stack) -> AsyncIterator[tuple[Stack, dict[str, Wire]]]:
    """The same servers with wires to Postgres and Redis, and the wires by name."""
    async with AsyncExitStack() as running:
        wires = {
            name: await running.enter_async_context(wire(stack.servers[name].address))
            for name in ("postgres", "redis")
        }
        addresses = {
            name: wires[name].address if name in wires else stack.servers[name].address
            for name in stack.servers
        }
        given = [GivenServer(name, address, lambda: True) for name, address in addresses.items()]
        yield Stack(stack.folder, stack.ports, list(given), lambda _: None), wires
