"""What a page of another origin may send, and may read of an answer: CORS, as the Fetch standard has it.

A preflight bears no key, so it is answered alike for all, without a look-up; the request behind it decides. There are
no cookies here: letting a page send its credentials gives it nothing, and beacons of JSON cannot do without.
"""

from services.gateway.auth.ports import Grant
from services.gateway.http.problems import Headers
from services.gateway.intake.protocols.dialect import Answer

EXPOSED = b"Retry-After, X-Sentry-Rate-Limits, X-Faro-Session-Status, RateLimit, RateLimit-Policy"
"""Headers of an answer that clients act on: a page may read no others but those that every page may."""

MAX_AGE_S = 7200
"""How long a browser may remember a preflight; Chromium does not longer."""

MAX_ASKED_BYTES = 1024
"""Longest list of headers that is allowed as it was asked for."""


class Crossing:
    """A request, as far as it may come from a page of another origin."""

    __slots__ = ("_asked_headers", "_credentials", "_origin", "_preflight", "grant", "tenant_id")

    def __init__(self, method: str, headers: Headers) -> None:
        self._origin = b""
        self._asked_headers = b""
        self._preflight = False
        self._credentials = False
        self.grant: Grant | None = None
        """What the key gives, once it is known and good for this page."""
        self.tenant_id: int | None = None
        """Whose the request is, once that is known."""
        for name, value in headers:
            if name == b"origin":
                self._origin = value
            elif name == b"access-control-request-headers":
                self._asked_headers = value
            elif name == b"access-control-request-method":
                self._preflight = method == "OPTIONS"

    def headers(self) -> Headers:
        """What an answer, be it an error, says to the page."""
        if not self._origin:
            return []
        exposed = (b"access-control-expose-headers", EXPOSED)
        bound = self.grant is not None and self._origin.decode("latin-1") in self.grant.origins
        if bound or self._credentials:
            return [
                (b"access-control-allow-origin", self._origin),
                (b"access-control-allow-credentials", b"true"),
                (b"vary", b"Origin"),
                exposed,
            ]
        return [(b"access-control-allow-origin", b"*"), exposed]

    def options(self, methods: str, *, keyed: bool) -> Answer:
        """The answer to OPTIONS, beside `headers`; `keyed`: the key stands in the address, as beacons have it."""
        allow = methods.encode()
        if not self._preflight or not self._origin:
            return Answer(204, [(b"allow", b"OPTIONS, " + allow)], b"")
        self._credentials = keyed
        headers = [
            (b"access-control-allow-methods", allow),
            (b"access-control-max-age", b"%d" % MAX_AGE_S),
        ]
        if 0 < len(self._asked_headers) <= MAX_ASKED_BYTES:
            headers.append((b"access-control-allow-headers", self._asked_headers))
        return Answer(204, headers, b"")
