"""Wires between a process and its servers, so that one can be cut for this process alone, and mended.

While a wire is cut, what passed is reset and nobody is let in, as by a server that is away.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

from deploy.local.servers.server import GivenServer
from deploy.local.stack import Stack

_BYTES = 64 << 10


class Wire:
    """What passes from a port of its own to a server."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._open: set[asyncio.StreamWriter] = set()
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
            await asyncio.gather(_pass(reader, ahead), _pass(behind, writer))
        finally:
            self._open -= {writer, ahead}


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wired(stack: Stack) -> AsyncIterator[tuple[Stack, dict[str, Wire]]]:
    """The same servers with wires to Postgres and Redis, and the wires by name."""
    wires = {name: Wire(stack.servers[name].address) for name in ("postgres", "redis")}
    servers = []
    for wire in wires.values():
        servers.append(await asyncio.start_server(wire.serve, "127.0.0.1", 0))
        wire.port = servers[-1].sockets[0].getsockname()[1]
    addresses = {
        name: wires[name].address if name in wires else stack.servers[name].address for name in stack.servers
    }
    given = [GivenServer(name, address, lambda: True) for name, address in addresses.items()]
    try:
        yield Stack(stack.folder, stack.ports, list(given), lambda _: None), wires
    finally:
        for wire in wires.values():
            wire.cut()
        for server in servers:
            server.close()
