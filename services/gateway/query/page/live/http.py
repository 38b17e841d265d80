"""`GET /v1/live`: server-sent events, first the whole state, then what has changed, once a second at most.

Milliseconds UTC, spans seconds. State and not a log: who comes back gets a snapshot. Only alert transitions are
resumed, by `Last-Event-ID`. Never compressed. One that makes no progress is cut off, and one ends with its key.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from services.gateway.auth.http import READS, Asker, asker_of, granted
from services.gateway.auth.key_cache import KeyCache
from services.gateway.http.problems import Problem
from services.gateway.query.edge import STREAM
from services.gateway.query.page.live.hub import Asked, Hub
from services.gateway.query.page.live.subscriber import Bye, Frame, Subscriber
from services.gateway.query.page.live.transitions import Numbered
from services.gateway.query.page.live.views import body_of
from services.gateway.query.parameters import REFUSALS, asking
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.http import asked_of, results_of
from shared.runtime.clock import monotonic_s, now_ms

PATH = "/v1/live"

RETRY = b"retry: 2000\n\n"
"""When a browser comes back whose connection broke."""

COMMENT = b": \n\n"

COMMENT_S = 15.0
"""Silence after which a comment shows that the stream lives."""

CHECK_S = 1.0
"""Time between two checks of the key, where no frame comes; it is looked up again when that is due."""

PROGRESS_S = 10.0
"""How long a client may take nothing."""

MAX_CELLS = 20_000
"""Windows of series in the answers of a stream: some 2 MB, which its channel keeps."""

SEND_BUFFER_BYTES = 32 << 10
"""What the kernel, and this process, may hold for a client that takes nothing."""

_NO_LINGER = struct.pack("ii", 1, 0)

HEADERS = [
    (b"content-type", STREAM.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def router(key_cache: KeyCache, answering: Answering, hub: Hub) -> APIRouter:
    """The route, bound to its dependencies."""
    routes = APIRouter()

    @routes.get(PATH, responses=REFUSALS, dependencies=[READS], summary="What changes, as it changes")
    async def live(
        request: Request,
        view: str = "",
        where: Annotated[Sequence[str], Query(description="Conditions on all questions of the view")] = (),
        q: Annotated[str, Query(description="The JSON of `GET /v1/query`, in place of a view")] = "",
    ) -> Response:
        """Events `snapshot`, `frame` and `bye`; docs/API.md says what they hold."""
        asker = await asker_of(key_cache, request.scope, "read")
        body = body_of(view, list(where), q)
        asked = asked_of(body)
        tenant_id = asker.api_key.grant.tenant_id

        async def ask(now: int) -> dict[str, Any]:
            shown, _ = await results_of(answering, tenant_id, asked, now)
            return {**shown, "results": bounded(shown["results"])}

        missed = await _missed(hub, tenant_id, request.headers.get("last-event-id", ""))
        return _Stream(key_cache, hub, asker, Asked(tenant_id, body, ask), missed)

    return routes


def bounded(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Answers as they are, as long as all of them fit into what a channel may keep; the others are refused."""
    kept, cells = list[Mapping[str, Any]](), 0
    for one in results:
        size = 0 if "error" in one else len(one["start_ms"]) * max(1, len(one["series"]))
        if cells + size > MAX_CELLS:
            message = f"questions: a live stream has at most {MAX_CELLS} windows of series; ask for fewer"
            one = {"id": one["id"], "error": Problem(422, "too_expensive", message).document()}  # noqa: PLW2901
            size = 0
        kept.append(one)
        cells += size
    return kept


async def _missed(hub: Hub, tenant_id: int, last: str) -> list[Numbered]:
    """Alert transitions since the last event that a client has seen."""
    if not (last.isascii() and last.isdigit() and len(last) <= 16):
        return []
    with asking():
        return await hub.alerts.missed(tenant_id, int(last))


class _Stream(Response):
    """One open stream."""

    def __init__(
        self, key_cache: KeyCache, hub: Hub, asker: Asker, asked: Asked, missed: list[Numbered]
    ) -> None:
        super().__init__(media_type=STREAM)
        self._key_cache = key_cache
        self._hub = hub
        self._asker = asker
        self._asked = asked
        self._missed = missed
        self._position = hub.alerts.position(asked.tenant_id)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until somebody ends it."""
        one, transport = Subscriber(self._asker.key_hash), scope.get("tidegauge.transport")
        with asking():
            await self._hub.alerts.follow(self._asked.tenant_id, now_ms() * 1000)
        self._hub.join(self._asked, one)
        if transport is not None:
            one.abort = partial(cut_off, transport)
            _narrow(transport)
        leaving = asyncio.ensure_future(_left(receive))
        leaving.add_done_callback(lambda _: one.end(Bye("left")))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
            await self._run(_Sender(send, one), one)
        finally:
            self._hub.leave(self._asked, one)
            leaving.cancel()

    async def _run(self, sender: "_Sender", one: Subscriber) -> None:
        sent, said_s = await sender.send(RETRY), monotonic_s()
        while sent and not one.is_over():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await one.woken.wait()
            await self._check(one)
            frame = one.take()
            if one.is_over():
                break
            if frame is not None or monotonic_s() - said_s >= COMMENT_S:
                sent, said_s = await sender.send(self._event(frame) if frame else COMMENT), monotonic_s()
        if sent and one.bye is not None and one.bye.reason != "left":
            said = {"reason": one.bye.reason} | ({"after_ms": one.bye.after_ms} if one.bye.after_ms else {})
            await sender.send(b"event: bye\ndata: " + orjson.dumps(said) + b"\n\n")
            await sender.end()

    async def _check(self, one: Subscriber) -> None:
        """End it where its key or its session has; while nobody can know, it goes on."""
        asker = self._asker
        if asker.expires_ms is not None and now_ms() >= asker.expires_ms:
            one.end(Bye("expired"))
        if self._key_cache.known(asker.key_hash, monotonic_s()) is None:
            try:
                await granted(self._key_cache, asker.key_hash, "read", "")
            except Problem as problem:
                if problem.status in {401, 403}:
                    one.end(Bye("revoked"))

    def _event(self, frame: Frame) -> bytes:
        """A frame with the alerts that this stream has not seen."""
        came = self._hub.alerts.after(self._asked.tenant_id, self._position)
        new = list({one.key: one for one in self._missed + came}.values())
        self._missed, self._position = [], self._hub.alerts.position(self._asked.tenant_id)
        if not new:
            return frame.plain
        number, alerts = max(one.number for one in new), b",".join(one.data for one in new)
        named = frame.event.encode()
        return b'id: %d\nevent: %b\ndata: %b,"alerts":[%b]}\n\n' % (number, named, frame.data, alerts)


@dataclass(slots=True)
class _Sender:
    """Sends to one client; cuts it off when it takes nothing."""

    to: Any
    subscriber: Subscriber

    async def send(self, data: bytes, *, more: bool = True) -> bool:
        """False: it is cut off."""
        try:
            async with asyncio.timeout(PROGRESS_S):
                await self.to({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            self.subscriber.end(Bye("frozen"))
            self.subscriber.abort()
            return False
        return True

    async def end(self) -> None:
        """Nothing follows."""
        await self.send(b"", more=False)


def _narrow(transport: Any) -> None:
    """Little is kept for a client that does not read, here and in the kernel."""
    transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def cut_off(transport: Any) -> None:
    """End a connection now: the client hears of it, and the kernel keeps nothing for one that never reads."""
    with suppress(OSError):  # closed already
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


async def _left(receive: Any) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
