"""`tidegauge sink`: a webhook that prints a line for each alert it receives.

It takes Alertmanager's webhook payload, version 4. Invariant: no request, however malformed, ends it.
"""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

import msgspec
from cachetools import FIFOCache

from deploy.local.ports import LOOPBACK
from shared.runtime.clock import now_ms

PORT = 9099
"""Port unless it is taken."""

MAX_BODY_BYTES = 1 << 20
"""Largest payload that is read."""

DISCARDED_BYTES = 16 << 20
"""Largest payload that is too large and yet sure to be answered."""

CHUNK_BYTES = 1 << 16

SILENCE_S = 10.0
"""How long a connection may be silent."""

REMEMBERED = 10_000
"""Keys remembered, so that a repeat is recognised."""

SHOWN = 200
"""Letters shown of what is wrong."""

COLOURS = {"firing": "\033[1;31m", "resolved": "\033[1;32m"}
PLAIN = "\033[0m"

HIDDEN = {"alertname", "severity", "tenant", "metric", "kind", "unit"}
"""Labels that are not repeated at the end of a line."""


class Alert(msgspec.Struct):
    """One alert of a payload."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class Payload(msgspec.Struct):
    """The body of a webhook request."""

    alerts: list[Alert]


_decode = msgspec.json.Decoder(Payload).decode


def line(alert: Alert, key: str, *, repeat: bool, colour: bool) -> str:
    """One alert for people."""
    status, labels = printable(alert.status.upper()), alert.labels
    if colour and alert.status in COLOURS:
        status = f"{COLOURS[alert.status]}{status}{PLAIN}"
    name = f"{labels.get('alertname', '?')} ({labels.get('severity', 'no severity')})"
    rest = " ".join(f"{label}={value}" for label, value in sorted(labels.items()) if label not in HIDDEN)
    said = printable(f"{name}: {alert.annotations.get('summary', '')}  {rest}  key {key[:8]}")
    return f"{status} {said}{' (repeat)' if repeat else ''}"


def printable(text: str) -> str:
    """The text without what would move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class Sink(ThreadingHTTPServer):
    """The server; remembers keys."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._keys: FIFOCache[str, None] = FIFOCache(REMEMBERED)
        self._one_at_a_time = Lock()

    def seen(self, key: str) -> bool:
        """Whether this key came before; remembers it."""
        with self._one_at_a_time:
            known = key in self._keys
            self._keys[key] = None
        return known and bool(key)

    def handle_error(self, request: object, client_address: object) -> None:
        """One line of a connection that broke off, where the library would print a trace."""
        say(f"connection broken off: {printable(repr(sys.exception()))}")


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    timeout = SILENCE_S

    def do_POST(self) -> None:
        """Print the alerts of a payload; 400 for anything else."""
        try:
            size = _size(self.headers.get("Content-Length", ""))
            payload = _decode(self.rfile.read(size))
        except OverflowError as problem:
            self._refuse(problem)
            self._discard()
            return
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as problem:
            self._refuse(problem)
            return
        key = self.headers.get("Idempotency-Key", "")
        repeat = self.server.seen(key)
        for alert in payload.alerts:
            say(line(alert, key, repeat=repeat, colour=sys.stdout.isatty()))
        self._answer(HTTPStatus.OK, "heard")

    def _refuse(self, problem: Exception) -> None:
        say(f"not an alert: {printable(str(problem))[:SHOWN]}")
        self._answer(HTTPStatus.BAD_REQUEST, "not Alertmanager's payload, version 4")

    def _discard(self) -> None:
        """Let the peer send what it has: it may not listen to the answer before."""
        left = DISCARDED_BYTES
        while left > 0 and (come := len(self.rfile.read1(CHUNK_BYTES))):
            left -= come

    def _answer(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing of requests: the alerts are what matters."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the library's
        """Say what is no request, or none that is taken here."""
        say(f"not an alert: {printable(format % args)[:SHOWN]}")


def _size(text: str) -> int:
    problem = f"Content-Length: must be given, at most {MAX_BODY_BYTES}"
    if not text.isdecimal():
        raise ValueError(problem)
    if int(text) > MAX_BODY_BYTES:
        raise OverflowError(problem)
    return int(text)


def say(text: str) -> None:
    """Print a line with the time in front; in one piece, for several threads do."""
    clock = datetime.fromtimestamp(now_ms() / 1000, UTC).strftime("%H:%M:%S")
    print(f"{clock}Z {text}\n", end="", flush=True)  # noqa: T201  printing is what it is for


def run(port: int) -> None:
    """Listen until Ctrl-C or SIGTERM."""
    with Sink(port) as sink:
        say(f"listening on http://{LOOPBACK}:{port}/ for alerts")
        sink.serve_forever()


def main(environ: Mapping[str, str]) -> None:
    """Listen on the port that the supervisor has picked."""
    run(int(environ["SINK_PORT"]))


if __name__ == "__main__":
    import os

    main(os.environ)
