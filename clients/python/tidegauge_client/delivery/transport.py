"""One kept-alive connection to the gateway.

Spans are seconds. Redirects are not followed. A connection that the gateway closed while it was idle is opened again,
and the request repeated once. Otherwise a request without an answer raises `Unreachable`.
"""

import os
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tidegauge_client import checks
from tidegauge_client.delivery.answer import Answer
from tidegauge_client.delivery.batch import Batch, Content

MAX_ANSWER_BYTES = 4 << 20
"""Largest part of an answer that is read: far more than a thousand rejected items need."""

USER_AGENT = "tidegauge-client/0.1.0"

_inherited: list[HTTPConnection] = []
"""Connections of a parent process, kept so that nothing finalises them."""


class Unreachable(Exception):
    """No answer came."""

    def __init__(self, why: str, *, in_doubt: bool) -> None:
        super().__init__(why)
        self.in_doubt = in_doubt
        """Whether the request may have arrived."""


class Address:
    """The address of the gateway, and the API key, which is never shown."""

    def __init__(self, url: str, key: str) -> None:
        parts = _parts(checks.text(url, "url"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: must be http://host or https://host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url: must hold neither credentials, query nor fragment")
        if not (checks.text(key, "key").isascii() and key.isprintable()) or " " in key:
            raise ValueError("key: must be printable ASCII without spaces")
        if not (parts.path.isascii() and parts.path.isprintable()) or " " in parts.path:
            raise ValueError("url: its path must be printable ASCII without spaces")
        self.secure: Final = parts.scheme == "https"
        self.host: Final = parts.hostname
        self.port: Final = parts.port
        self.path: Final = parts.path.rstrip("/")
        self.key: Final = key
        self.url: Final = f"{parts.scheme}://{parts.netloc}{self.path}"


class Transport:
    """Posts batches, one after another."""

    def __init__(self, address: Address, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._tls = tls
        self._connection = self._made()
        self._reused = False

    def connect(self) -> None:
        """Make sure that there is a connection; raise `Unreachable` when there is none."""
        self._reused = self._connection.sock is not None
        if self._reused:
            return
        try:
            self._connection.connect()
        except (OSError, HTTPException) as problem:
            self.close()
            raise self._unreachable(problem, in_doubt=False) from None

    def post(self, batch: Batch, content: Content) -> Answer:
        """The answer to a batch over the connection; raise `Unreachable` when none comes."""
        try:
            return self._once(batch, content)
        except (OSError, HTTPException) as problem:
            self.close()
            if not (self._reused and isinstance(problem, (ConnectionError, ssl.SSLError))):
                raise self._unreachable(problem, in_doubt=True) from None
        try:
            return self._once(batch, content)
        except (OSError, HTTPException) as problem:
            self.close()
            raise self._unreachable(problem, in_doubt=True) from None

    def close(self) -> None:
        """End the connection; the next request makes another."""
        self._connection.close()

    def forget(self) -> None:
        """In a forked child: leave the parent's connection alone."""
        _inherited.append(self._connection)
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                os.close(sock.detach())
        self._connection = self._made()

    def _made(self) -> HTTPConnection:
        host, port = self._address.host, self._address.port
        if not self._address.secure:
            return HTTPConnection(host, port, timeout=self._timeout_s)
        self._tls = self._tls or ssl.create_default_context()
        return HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)

    def _once(self, batch: Batch, content: Content) -> Answer:
        connection, whole = self._connection, False
        if connection.sock is None:
            connection.connect()
        with suppress(BrokenPipeError):  # the gateway may answer a large body before it has read it
            connection.request(
                "POST",
                self._address.path + batch.signal.path,
                content.sent,
                headers(self._address, batch, content),
            )
            whole = True
        response = connection.getresponse()
        read = response.read(MAX_ANSWER_BYTES).replace(self._address.key.encode(), b"***")
        answer = Answer(response.status, response.getheader("Retry-After"), read)
        if not whole or not response.isclosed():
            self.close()
        return answer

    def _unreachable(self, problem: Exception, *, in_doubt: bool) -> Unreachable:
        why = f"{type(problem).__name__}: {problem}".replace(self._address.key, "***")
        return Unreachable(why, in_doubt=in_doubt)


def headers(address: Address, batch: Batch, content: Content) -> dict[str, str]:
    """The headers of a request."""
    found = {
        "Authorization": f"Bearer {address.key}",
        "Content-Type": "application/json",
        "Idempotency-Key": batch.id,
        "User-Agent": USER_AGENT,
    }
    return found | {"Content-Encoding": "gzip"} if content.gzipped else found


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as problem:
        raise ValueError(f"url: {problem}") from None
    return parts
