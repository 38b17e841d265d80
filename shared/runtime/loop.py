"""uvloop with asyncio's manners towards a connection that the other side has reset.

asyncio passes over what is written to one: whoever reads from it learns that it is gone. uvloop 0.23 raises
RuntimeError until then, which client libraries do not expect: redis-py lets it out, and the task in which aiokafka
keeps its metadata ends by it, unseen; its consumer then waits for ever (findings/aiokafka-runtime-error-on-uvloop.sh).
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview


class Transport:
    """A transport of uvloop to which one may write when it is closed already."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def write(self, data: Buffer) -> None:
        """Send data, or pass it over."""
        if not self.raw.is_closing():
            self.raw.write(data)

    def writelines(self, data: Iterable[Buffer]) -> None:
        """Send data, or pass them over."""
        if not self.raw.is_closing():
            self.raw.writelines(data)


class Loop(uvloop.Loop):
    """Makes such transports where a client connects."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncio's."""
        raw, protocol = await super().create_connection(*args, **kwargs)
        return Transport(raw), protocol

    async def start_tls(self, transport: Any, *args: Any, **kwargs: Any) -> Any:
        """As asyncio's; uvloop's takes none but its own transports."""
        raw = transport.raw if isinstance(transport, Transport) else transport
        return Transport(await super().start_tls(raw, *args, **kwargs))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end what is the whole of a process."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)
