"""Ignores an upgrade that a request asks for, as RFC 9110 7.8 allows: the request is answered, and what follows it too.

llhttp ends with the headers of such a request, for it takes all that is behind them for another protocol. Invariant:
the answers are those to the same bytes without the header `Upgrade`.
"""

from typing import Any, Protocol

import httptools


class Callbacks(Protocol):
    """What a parser tells of a request, as uvicorn's protocol has it."""

    headers: list[tuple[bytes, bytes]]
    """Those of the request, by small names."""

    def on_message_begin(self) -> None:
        """A request begins."""

    def on_url(self, url: bytes) -> None:
        """Its target, or a part of it."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""

    def on_headers_complete(self) -> None:
        """Its headers are whole."""

    def on_body(self, body: bytes) -> None:
        """A part of its body."""

    def on_message_complete(self) -> None:
        """It is whole."""


class RequestParser:
    """httptools' parser of requests, which goes on behind an upgrade."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._parser = _parser(callbacks)
        self.unknown_method = False
        """What was read last named a method that is none."""

    @property
    def paused(self) -> bool:
        """The body of the present request is still to be read."""
        return bool(self._parser.should_upgrade())

    def feed_data(self, data: bytes) -> None:
        """Read on; raises what httptools raises for what is no HTTP."""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserInvalidMethodError:
                self.unknown_method = True
                raise
            except httptools.HttpParserUpgrade as upgrade:
                self._parser = _parser(_BehindHeaders(self._callbacks))
                data = _framing(self._callbacks.headers) + data[upgrade.args[0] :]
            else:
                return

    def should_upgrade(self) -> bool:
        """Never."""
        return False

    def should_keep_alive(self) -> bool:
        """Whether the connection may bear another request."""
        return bool(self._parser.should_keep_alive())

    def get_http_version(self) -> str:
        """That of the present request."""
        return str(self._parser.get_http_version())

    def get_method(self) -> bytes:
        """That of the present request."""
        return bytes(self._parser.get_method())


class _BehindHeaders:
    """Hands on what comes behind the first headers: they are given once more, only to say how long the body is."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._again = True
        self.on_body = callbacks.on_body
        self.on_message_complete = callbacks.on_message_complete

    def on_message_begin(self) -> None:
        if not self._again:
            self._callbacks.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._again:
            self._callbacks.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._again:
            self._callbacks.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._again:
            self._callbacks.on_headers_complete()
        self._again = False


def _parser(callbacks: object) -> Any:
    parser = httptools.HttpRequestParser(callbacks)
    # As uvicorn has it: a client may say that it closes, and send what is not looked at.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _framing(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Headers of a request of no consequence whose body is as long."""
    kept = [each for each in headers if each[0] in (b"content-length", b"transfer-encoding")]
    return b"POST / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % each for each in kept) + b"\r\n"
