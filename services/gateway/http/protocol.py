"""uvicorn's protocol within limits: of connections, of the time they may owe something, and of what a head may hold.

Seconds and bytes. Invariant: a connection that waits for nothing of ours is closed when it has owed the rest of a head
or of a body for `HeadLimits.seconds`, or has rested for the keep-alive time; only a whole request postpones that.
"""

import asyncio
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.gateway.http.connections import MAX_LINGERING, ConnectionLimits, Connections, too_many
from services.gateway.http.problems import Problem
from services.gateway.http.upgrade import RequestParser

LINGER_S = 1.0
"""How long a refused connection stays, so that its answer is read: closed at once it would be reset."""


REQUEST_LINE = re.compile(rb"[A-Z]{1,32} \S+ HTTP/1\.[01]\r\n")
"""How a request begins; other protocols begin otherwise."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What the head of a request may be: its target and its headers."""

    bytes: int = 16 << 10
    fields: int = 100
    target_bytes: int = 8 << 10
    seconds: float = 10.0
    unread_s: float = 30.0
    """How long a client may take nothing of what it is sent."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection; a timer runs only while its client owes something."""

    head = HeadLimits()
    counted = Connections(ConnectionLimits(1 << 30, 1 << 30))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser: RequestParser = RequestParser(self)  # type: ignore[assignment]  # with the same methods
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._in_head = self._completed = self._ended = self._admitted = False
        self._head_bytes = self._size = 0
        self._sent = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection finds room, and must say something soon."""
        super().connection_made(transport)
        self._admitted = self.counted.connect(self._address)
        if self._admitted:
            self._timer = self.loop.call_later(self.head.seconds, self._overdue)
            return
        self.counted.lingering += 1
        if self.counted.lingering > MAX_LINGERING:
            self._ended = True
            transport.abort()
        else:
            self._end(too_many(self.counted.limits))

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection, and its room is free."""
        self._calm()
        if self._unread is not None:
            self._unread.cancel()
        if self._admitted:
            self.counted.disconnect(self._address)
        else:
            self.counted.lingering -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What is not whole yet is timed, and a head is measured."""
        if self._ended:
            return
        self._completed, self._size, self._sent = False, len(data), data
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            # Where another request ends within these bytes, the head is measured from the next ones on.
            self._head_bytes += 0 if self._completed else self._size
            if self._head_bytes > self.head.bytes:
                unended = len(self.url) > self.head.target_bytes
                self._refuse(_target_too_long(self.head) if unended else _head_too_large(self.head))
                return
        if self._timer is None and self._owes():
            self._timer = self.loop.call_later(self.head.seconds, self._overdue)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.head.unread_s, self._left_unread)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def on_message_begin(self) -> None:
        """A head has begun."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole: the request begins, if it is within the limits."""
        self._in_head = False
        if self._ended:
            return
        if self._timer is not None:
            self._calm()
        problem = self._wrong()
        if problem is None:
            super().on_headers_complete()
        else:
            self._refuse(problem)

    def on_body(self, body: bytes) -> None:
        """A part of a body, which nobody waits for once the connection has ended."""
        if not self._ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, unless its body stands behind an upgrade that is not made."""
        if self._ended or self.parser.paused:
            return
        self._completed = True
        super().on_message_complete()
        if self._answered and not self.pipeline:
            # Its answer came before the end of its body; from here on the connection rests.
            self._calm()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        # Who streams bounds what is kept for a client that does not read, and cuts it off.
        cycle.scope["tidegauge.transport"] = self.transport  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _answered(self) -> bool:
        """No request is under way."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _owes(self) -> bool:
        """Whether the next move is the client's, and no timer says until when."""
        if self._in_head:
            return True
        return self._answered and not self.pipeline and self.timeout_keep_alive_task is None

    def send_400_response(self, _msg: str) -> None:
        """What came is no HTTP, or asks for what no HTTP server knows."""
        if self._ended or self.transport.is_closing():
            return
        if self.parser.unknown_method and REQUEST_LINE.match(self._sent):
            self._refuse(Problem(501, "unknown_method", "method: is none that is known here"))
        else:
            self._refuse(Problem(400, "malformed_http", "request: is no HTTP/1.1"))

    def _wrong(self) -> Problem | None:
        """What is wrong about the head, or too large."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or not (hosts or self.parser.get_http_version() == "1.0"):
            return Problem(400, "malformed_http", "Host: must be given once")
        if len(self.url) > self.head.target_bytes:
            return _target_too_long(self.head)
        if len(self.headers) > self.head.fields:
            return Problem(431, "too_many_headers", f"headers: at most {self.head.fields} fields")
        if self._head_bytes + self._size > self.head.bytes:
            exact = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            return _head_too_large(self.head) if exact > self.head.bytes else None
        return None

    def _overdue(self) -> None:
        if self._in_head:
            self.counted.refused["headers_too_slow"] += 1
        self.transport.close()

    def _left_unread(self) -> None:
        self.counted.refused["answer_unread"] += 1
        # Of two transports one writes on when it is cut off; whoever answers must know before.
        if self._running is not None:
            self._running.disconnected = True
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer what is wrong, and end; where the answer to an earlier request is still to come, end alone."""
        self.counted.refused[problem.code] += 1
        if self._answered:
            self._end(problem)
        elif not (self._in_head or self.pipeline or self.cycle.response_started):
            # It is the body of the present request: whoever waits for it hears that its client has left.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._end(problem)
        else:
            self._ended = True
            self.transport.close()

    def _end(self, problem: Problem) -> None:
        """Say why, take nothing more, and close when that has been read."""
        self._ended = True
        self._calm()
        self._unset_keepalive_if_required()
        self.transport.write(_answer(problem))
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def limited_protocol(head: HeadLimits, connections: Connections) -> type[LimitedProtocol]:
    """The protocol with limits of its own."""
    return type("LimitedProtocol", (LimitedProtocol,), {"head": head, "counted": connections})


def _target_too_long(head: HeadLimits) -> Problem:
    return Problem(414, "target_too_long", f"target: at most {head.target_bytes} bytes")


def _head_too_large(head: HeadLimits) -> Problem:
    return Problem(431, "headers_too_large", f"headers: at most {head.bytes} bytes with the target")


def _answer(problem: Problem) -> bytes:
    """A problem as it goes over the wire; nothing comes behind it."""
    body = problem.body()
    fields = [*problem.all_headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    head = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
    return head.encode() + b"".join(b"%b: %b\r\n" % each for each in fields) + b"\r\n" + body
