"""Clients that all come at once, as after a restart, are let in within a few turns of the event loop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from services.gateway.http.connections import ConnectionLimits, Connections
from services.gateway.http.protocol import HeadLimits, limited_protocol
from services.gateway.http.server import ACCEPTED_A_TURN, Server, listen
from shared.runtime.loop import run
from tests.support.wait import until

CLIENTS = 20 * ACCEPTED_A_TURN


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """No request comes."""


def started(server: Server) -> Callable[[], Awaitable[bool]]:
    """Whether it listens."""

    async def listens() -> bool:
        return server.started

    return listens


async def turns() -> int:
    """How many turns of the loop it takes to accept all clients."""
    counted = Connections(ConnectionLimits(CLIENTS, CLIENTS))
    listening = listen("PORT", "127.0.0.1", 0)
    server = Server(nothing, listening, limited_protocol(HeadLimits(), counted), 1, 5.0)
    serving = asyncio.create_task(server.run_until_exit())
    await until(started(server), "the server listens")
    # The kernel lets them connect whether they are accepted or not.
    clients = [socket.create_connection(listening.getsockname()) for _ in range(CLIENTS)]
    taken = 0
    while counted.open < CLIENTS:
        await asyncio.sleep(0)
        taken += 1
    server.should_exit = True
    for each in clients:
        each.close()
    await serving
    return taken


def test_clients_that_come_at_once_do_not_wait_for_a_turn_each() -> None:
    """On the loop that the gateway runs on, which accepts one connection a turn and socket."""
    assert run(turns()) < CLIENTS / 10
