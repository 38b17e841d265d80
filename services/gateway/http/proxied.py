"""Requests that come through trusted proxies: whose they are, and how many of one address are under way.

Invariant: an address is believed only of a proxy that is trusted; of others `X-Forwarded-For` says what a client likes.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.gateway.http.body import Incoming
from services.gateway.http.connections import ConnectionLimits, Connections, too_many
from shared.errors import Misconfigured


class Proxied:
    """An ASGI application that is told the address of the client, where a trusted proxy names it."""

    def __init__(self, api: Any, proxies: Sequence[str], edge: Connections) -> None:
        self._api = api
        self._forwarded = ProxyHeadersMiddleware(self._counted, list(proxies))
        self._trusted = self._forwarded.trusted_hosts
        self._edge = edge

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        client = scope.get("client")
        answers = self._forwarded if client and client[0] in self._trusted else self._api
        await answers(scope, receive, send)

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one that came through a proxy; it stands for a connection of its client's."""
        address = scope["client"][0]
        if address in self._trusted:  # the proxy asks for itself, as a health check does
            await self._api(scope, receive, send)
        elif not self._edge.enter(address):
            await _refuse(self._edge.limits, scope, receive, send)
        else:
            try:
                await self._api(scope, receive, send)
            finally:
                self._edge.leave(address)


def proxies_of(setting: str) -> list[str]:
    """The addresses and networks of a list with commas; raise `Misconfigured` for what is none."""
    found = [each.strip() for each in setting.split(",") if each.strip()]
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise Misconfigured(f"trusted_proxies: {each} is no address and no network") from error
    return found


def edge_of(proxies: Sequence[str], limits: ConnectionLimits) -> Connections:
    """What counts connections, and those of these proxies for nobody."""
    return Connections(limits, ProxyHeadersMiddleware(_nothing, list(proxies)).trusted_hosts.__contains__)


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answers nothing."""


async def _refuse(limits: ConnectionLimits, scope: Any, receive: Any, send: Any) -> None:
    problem = too_many(limits)
    headers, body = problem.all_headers(), problem.body()
    if not await Incoming(receive, scope["headers"]).drained():
        headers.append((b"connection", b"close"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
