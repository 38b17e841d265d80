"""A receiver of alerts: a real HTTP server on loopback that keeps its requests and answers from a script.

Spans are seconds. When the script is empty, the answer is 200. A request counts as received, in its order, as soon
as its body is whole, whatever the answer.
"""

import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self

from shared.runtime.clock import monotonic_s

LIMIT_S = 60.0
"""How long a held answer waits at most."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    release: Event | None = None
    """Answered only once this is set."""
    held_body: Event | None = None
    """Its headers are sent at once, its body only once this is set."""
    hang_up: bool = False
    """No answer: the connection is closed."""


@dataclass(frozen=True)
class ReceivedRequest:
    """One request."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    at_s: float
    """When it was whole, by the monotonic clock."""

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return self.headers["idempotency-key"]


class Webhook:
    """What came in, and what is to be answered."""

    def __init__(self) -> None:
        self.received: list[ReceivedRequest] = []
        self.script: deque[Reply] = deque()
        """Answers to come."""
        self.otherwise: Callable[[ReceivedRequest], Reply] = lambda _: Reply()
        """The answer when there is none to come."""
        self.arrived = Event()
        """Set by each request."""
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), type("_Bound", (_Handler,), {"webhook": self}))
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/told"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def keys(self) -> list[str]:
        """Keys in the order in which they came, repeats included."""
        return [request.key for request in self.received]

    def answer(self, *replies: Reply) -> None:
        """Answer the next requests so."""
        self.script.extend(replies)

    def reply_to(self, request: ReceivedRequest) -> Reply:
        """Keep a request; its answer."""
        with self._lock:
            self.received.append(request)
            reply = self.script.popleft() if self.script else self.otherwise(request)
        self.arrived.set()
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    """Those who knock at once wait here; beyond it a knock is lost and repeated after a second."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that are killed are why this server is here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    webhook: Webhook
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Keep it and answer; half a body is no request."""
        wanted = int(self.headers["content-length"])
        with contextlib.suppress(ConnectionError):
            if len(content := self.rfile.read(wanted)) == wanted:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = ReceivedRequest(self.path, headers, json.loads(content), monotonic_s())
                self._answer(self.webhook.reply_to(request))

    def _answer(self, reply: Reply) -> None:
        if reply.release is not None:
            reply.release.wait(LIMIT_S)
        self.close_connection = reply.hang_up
        if reply.hang_up:
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.held_body is not None:
            reply.held_body.wait(LIMIT_S)
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
