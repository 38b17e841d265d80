"""uvicorn's protocol, extended to close connections that stay silent or never finish their headers.

Seconds and bytes. Invariant: a connection that does not wait for the gateway is closed after `HEADERS_S`, and no header
beyond `MAX_HEADER_BYTES` is kept.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 16 << 10
"""Headers that may have come without an end; more are answered 431."""

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeaderTimeoutProtocol(HttpToolsProtocol):
    """Closes connections whose headers do not come; a timer runs only while they are late."""

    headers_s = 10.0
    """How long headers may take."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._in_headers = False
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection must say something soon."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.headers_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Headers that are not whole yet are timed and measured."""
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.transport.write(TOO_LARGE)
                self.transport.close()
            elif self._timer is None:
                self._timer = self.loop.call_later(self.headers_s, self.transport.close)

    def on_message_begin(self) -> None:
        """Headers have begun."""
        self._in_headers = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Headers are whole."""
        self._in_headers = False
        if self._timer is not None:
            self._calm()
        super().on_headers_complete()

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def header_timeout_protocol(headers_s: float) -> type[HeaderTimeoutProtocol]:
    """The protocol with a patience of its own."""
    return type("PatientProtocol", (HeaderTimeoutProtocol,), {"headers_s": headers_s})
