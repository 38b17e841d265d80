"""On our loop a connection that was reset is told of by whoever reads, as on asyncio's own.

Source: findings/aiokafka-runtime-error-on-uvloop.sh; a run of chaos in which Redis was killed while a client connected.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable

import pytest
import uvloop

from shared.errors import Unavailable
from shared.postgres.errors import breaks_connection, guard
from shared.runtime import loop

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""

Make = Callable[[], asyncio.AbstractEventLoop]
OURS = pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, loop.Loop], ids=["asyncio", "ours"])


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]:
    """A client, and the other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader, writer = await asyncio.open_connection(*server.getsockname())
        other, _ = server.accept()
    return reader, writer, other


async def was_reset() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client whose connection was reset, and whose loop has not looked yet."""
    reader, writer, other = await connected()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    other.close()
    return reader, writer


async def write_on(writer: asyncio.StreamWriter, times: int = 4) -> None:
    """Write once a turn of the loop."""
    for _ in range(times):
        writer.write(b"a")
        writer.writelines([b"b", b"c"])
        await asyncio.sleep(0)


def run(make: Make, timeline: Callable[[], object]) -> None:
    """Let it happen on that loop."""
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(timeline())  # type: ignore[arg-type]


@OURS
def test_writing_to_a_reset_connection_is_passed_over_and_reading_says_so(make: Make) -> None:
    """Whichever comes first."""

    async def timeline() -> None:
        reader, writer = await was_reset()
        await write_on(writer)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert writer.is_closing()

    run(make, timeline)


@OURS
def test_what_is_written_arrives(make: Make) -> None:
    """A whole connection is not touched."""

    async def timeline() -> None:
        _, writer, other = await connected()
        await write_on(writer, 1)
        writer.close()
        await writer.wait_closed()
        with other:
            assert other.recv(10) == b"abc"

    run(make, timeline)


def test_tls_begins_on_a_connection_of_ours() -> None:
    """None but its own transports are taken by uvloop; this server answers in words that are no TLS."""

    async def timeline() -> None:
        _, writer, other = await connected()
        other.sendall(b"no words of TLS")
        with other, pytest.raises(ssl.SSLError):
            await writer.start_tls(ssl.create_default_context(), server_hostname="localhost")

    run(loop.Loop, timeline)


def test_postgres_whose_connection_was_reset_is_away() -> None:
    """Past the streams asyncpg meets uvloop's own error; ours of the same class stays a bug."""

    async def timeline() -> None:
        _, writer = await was_reset()
        with pytest.raises(Unavailable) as caught, guard():
            await write_on(writer)
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert breaks_connection(caught.value.__cause__)
        with pytest.raises(RuntimeError), guard():
            raise RuntimeError("a slip of ours")

    run(uvloop.new_event_loop, timeline)
