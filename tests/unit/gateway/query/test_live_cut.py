"""What becomes of the connection of a client that reads nothing, on real sockets."""

import asyncio
import socket

from services.gateway.query.page.live.http import cut_off
from tests.support.wait import until

ESTABLISHED = 1


async def test_a_client_that_reads_nothing_hears_that_it_is_cut_off() -> None:
    """Also where its window is full, so that no end of a stream would reach it; the kernel keeps nothing for it."""
    made: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: made.set_result(writer), "127.0.0.1", 0)
    frozen = socket.socket()
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.connect(server.sockets[0].getsockname())
    writer = await made
    writer.write(bytes(1 << 20))

    cut_off(writer.transport)

    async def reset() -> bool:
        return frozen.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED

    await until(reset, "the client has been told", 5)
    frozen.close()
    server.close()
