"""Sessions of the page: a signed cookie that names a key by its hash, and what a request that bears one must be.

Milliseconds UTC. The cookie says until when it is good and nothing else that counts: what it grants is what its key
grants now, so that revoking the key ends the session. Nothing is kept. Invariant: what is changed by cookie is asked
for by a page of this origin.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from services.gateway.http.problems import Problem
from shared.access.signed import Signer

COOKIE = "tidegauge_session"

LIFE_MS = 12 * 3600 * 1000
"""How long a session is good for."""

PURPOSE = "session"

MAX_COOKIE_BYTES = 4_096
"""Longest header with cookies that is looked at."""

READING = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_VALUE = msgspec.msgpack.Decoder(tuple[int, bytes])

RawHeaders = Iterable[tuple[bytes, bytes]]


class Session(NamedTuple):
    """Who has logged in."""

    key_hash: bytes
    """SHA-256 of the key."""
    expires_ms: int


class Sessions:
    """Makes sessions and knows them again; `secret` is that of the installation, which is asked for once."""

    def __init__(self, secret: Callable[[], Awaitable[bytes]], clock: Callable[[], int]) -> None:
        self._secret = secret
        self._clock = clock
        self._signer: Signer | None = None

    async def begin(self, key_hash: bytes) -> tuple[Session, str]:
        """A session with this key, and the value of its cookie. Raises `Unavailable`."""
        session = Session(key_hash, self._clock() + LIFE_MS)
        value = msgspec.msgpack.encode((session.expires_ms, session.key_hash))
        return session, (await self._signed()).sign(value)

    async def of(self, headers: RawHeaders) -> Session | None:
        """The session whose cookie a request bears, None for none that is good. Raises `Unavailable`."""
        for text in _cookies(headers):
            value = (await self._signed()).value(text)
            if value is not None:
                expires_ms, key_hash = _VALUE.decode(value)
                if self._clock() < expires_ms:
                    return Session(key_hash, expires_ms)
        return None

    async def _signed(self) -> Signer:
        if self._signer is None:
            self._signer = Signer(await self._secret(), PURPOSE)
        return self._signer


def _cookies(headers: RawHeaders) -> Iterable[str]:
    """The values of our cookie; those of other applications at this host may look as they like."""
    for name, value in headers:
        if name == b"cookie" and len(value) <= MAX_COOKIE_BYTES:
            for pair in value.decode("latin-1").split(";"):
                named, _, text = pair.strip().partition("=")
                if named == COOKIE:
                    yield text


def set_cookie(headers: RawHeaders, value: str, life_ms: int = LIFE_MS) -> str:
    """The header that keeps a cookie in a browser; with `life_ms` 0 it goes. Off loopback it travels by TLS alone."""
    host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    secure = "" if _parts(f"//{host}").hostname in _LOOPBACK else "; Secure"
    return f"{COOKIE}={value}; Path=/; Max-Age={life_ms // 1000}; HttpOnly; SameSite=Strict{secure}"


def check_page(scope: Mapping[str, Any]) -> None:
    """Raise `Problem` where a request that changes something may come from another page than ours.

    Browsers say where a request comes from: `Sec-Fetch-Site`, and older ones, or those without TLS, `Origin`.
    Who says neither is no browser.
    """
    headers = dict(scope["headers"])
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    host = headers.get(b"host", b"").decode("latin-1")
    own = origin is None or _parts(origin.decode("latin-1")).netloc == host
    if site not in {None, b"same-origin"} or not own:
        raise Problem(403, "cross_site", "Sec-Fetch-Site: a session is for pages of this origin alone")
    media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if scope["method"] == "POST" and media != b"application/json":
        raise Problem(415, "unsupported_media_type", "Content-Type: must be application/json")


def check_keeps_cookies(headers: RawHeaders) -> None:
    """Raise `Problem` where a browser would not keep the cookie: on a page that came over plain HTTP from elsewhere."""
    origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), "")
    parts = _parts(origin)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Problem(
            403, "needs_https", "Origin: a session off this machine needs https, or a tunnel to localhost"
        )


def _parts(text: str) -> SplitResult:
    """The parts of an address, all empty for what is none."""
    try:
        parts = urlsplit(text)
        parts.hostname  # noqa: B018 - raises for what only looks like one
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
