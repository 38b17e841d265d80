"""Requests that ask for another protocol: they are read as if they had not."""

import pytest

from services.gateway.http.upgrade import RequestParser

POST = b"POST /a?b=1 HTTP/1.1\r\nhost: x\r\n%bcontent-length: 5\r\n\r\nhello"
CHUNKED = b"POST /a HTTP/1.1\r\nhost: x\r\n%btransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
GET = b"GET /c HTTP/1.1\r\nhost: x\r\n%b\r\n"
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
"""What Java's HttpClient and `curl --http2` say. Source: uvicorn#2722, httptools#124."""


class Recorder:
    """Remembers what a parser tells, as uvicorn's protocol does."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, bytes, bool]] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = RequestParser(self)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url, self.body, self.headers = b"", b"", []

    def on_url(self, url: bytes) -> None:
        """Its target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """All headers."""
        self.method, self.lasts = self.parser.get_method(), self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """The end of a request, or of the headers of one that asks for another protocol."""
        if not self.parser.paused:
            self.requests.append((self.method, self.url, self.body, self.lasts))


def read(data: bytes, size: int) -> list[tuple[bytes, bytes, bytes, bool]]:
    """Method, target, body and staying of each request, of bytes that come in parts of this size."""
    recorder = Recorder()
    for at in range(0, len(data), size):
        recorder.parser.feed_data(data[at : at + size])
    return recorder.requests


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
@pytest.mark.parametrize(
    "first", [POST, CHUNKED, GET], ids=["a length", "chunks", "no body"]
)  # fmt: skip
def test_an_upgrade_changes_nothing_in_what_is_read(first: bytes, size: int) -> None:
    """Neither of the request that asks for it, nor of those that are pipelined behind it, which may ask again."""
    said = first % H2C + POST % b"" + GET % H2C + CHUNKED % H2C + GET % b""
    plain = first % b"" + POST % b"" + GET % b"" + CHUNKED % b"" + GET % b""

    assert read(plain, size) == read(said, size)
    assert 5 == len(read(said, size))
