"""Bare sockets to a gateway: what no HTTP client would send, from any address of this machine.

Seconds. Every wait has a limit, and a socket that is still open then fails the test.
"""

import asyncio
import json
from dataclasses import dataclass

PATIENCE_S = 8.0


@dataclass
class Bare:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """Send these, each by itself; whether the other side still reads does not matter."""
        for part in parts:
            try:
                self.writer.write(part)
                await self.writer.drain()
            except ConnectionError:
                return

    async def answer(self) -> tuple[int, str]:
        """Status and code of the next answer, 0 where the connection is closed instead."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await self.reader.readuntil(b"\r\n\r\n")
                fields = dict(
                    line.lower().partition(b": ")[::2] for line in head.split(b"\r\n")[1:] if b": " in line
                )
                body = await self.reader.readexactly(int(fields.get(b"content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        problem = b"problem" in fields.get(b"content-type", b"")
        return int(head.split(b" ", 2)[1]), json.loads(body)["code"] if problem else ""

    async def closed(self) -> bytes:
        """All that still comes until the other side closes; fails where it does not."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read()
        except ConnectionError:
            return b""
        finally:
            self.close()

    def close(self) -> None:
        """Leave."""
        self.writer.close()


async def opened(port: int, address: str = "127.0.0.1") -> Bare:
    """A connection from an address of this machine."""
    return Bare(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))


def head(
    path: str = "/v1/telemetry",
    key: str = "write",
    length: int | None = None,
    method: str = "POST",
    **more: str,
) -> bytes:
    """The head of a request of JSON."""
    fields = {"host": "x", "content-type": "application/json", **({"x-api-key": key} if key else {})}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    if length is not None:
        fields["content-length"] = str(length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def posted(body: bytes, path: str = "/v1/telemetry", key: str = "write", **more: str) -> bytes:
    """A whole request."""
    return head(path, key, len(body), **more) + body
