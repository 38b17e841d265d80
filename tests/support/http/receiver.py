"""A gateway of a few lines: a real HTTP server on loopback that keeps what it was sent and answers from a script.

When the script is empty, it answers as the gateway answers a good batch.
"""

import gzip
import json
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

LIMIT_S = 30.0
"""How long a held answer waits at most."""


@dataclass(frozen=True)
class Reply:
    """One answer of the script."""

    status: int
    body: dict[str, Any] | None = None
    """None: all items accepted."""
    headers: dict[str, str] = field(default_factory=dict)
    release: Event | None = None
    """Answered only once this is set."""
    hang_up: bool = False
    """No answer: the connection is closed."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    plain_bytes: int
    peer: tuple[str, int]
    """Address of the other end: one for each connection."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The points or events that it carried."""
        found: list[dict[str, Any]] = next(iter(self.body.values()))
        return found

    @property
    def batch_id(self) -> str:
        """Its idempotency key."""
        return self.headers["idempotency-key"]


@dataclass
class Receiver:
    """What came in, and what is to be answered."""

    url: str
    requests: list[Received] = field(default_factory=list)
    """What was posted."""
    reads: list[str] = field(default_factory=list)
    """Paths that were asked for, with their queries."""
    script: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))
    """Path -> answers to come."""
    arrived: Event = field(default_factory=Event)
    """Set by each request."""

    def answer(self, path: str, *replies: Reply) -> None:
        """Answer the next requests so."""
        self.script[path].extend(replies)

    def at(self, path: str) -> list[Received]:
        """What came to a path."""
        return [request for request in self.requests if request.path == path]

    @property
    def points(self) -> list[dict[str, Any]]:
        """All points that came, repeats included."""
        return [item for request in self.at("/v1/telemetry") for item in request.items]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events that came, repeats included."""
        return [item for request in self.at("/v1/events") for item in request.items]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server that listens until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(receiver)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """Keep it and answer."""
            content = self.rfile.read(int(self.headers["content-length"]))
            plain = gzip.decompress(content) if self.headers["content-encoding"] == "gzip" else content
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, json.loads(plain), len(plain), self.client_address)
            receiver.requests.append(received)
            receiver.arrived.set()
            replies = receiver.script[self.path]
            self._reply(replies.popleft() if replies else Reply(202), len(received.items))

        def do_GET(self) -> None:
            """Keep what was asked for, and answer with nothing."""
            receiver.reads.append(self.path)
            self._reply(Reply(200, {}), 0)

        def _reply(self, reply: Reply, items: int) -> None:
            if reply.release is not None:
                reply.release.wait(LIMIT_S)
            self.close_connection = reply.hang_up
            if reply.hang_up:
                return
            body = {"accepted": items, "rejected": []} if reply.body is None else reply.body
            content = json.dumps(body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
