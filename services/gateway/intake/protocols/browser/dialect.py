"""How our browser client asks: plain text that may be gzip without a header.

So no preflight comes before it.
"""

from services.gateway.http.body import inflate, too_large
from services.gateway.intake.protocols.dialect import BeaconDialect

GZIP = b"\x1f\x8b"
"""How every gzip body begins, and no JSON."""


def recognised(body: bytes, limit: int) -> bytes:
    """A body that is gzip or nothing; raise `Problem` for more than `limit` bytes."""
    if body.startswith(GZIP):
        return inflate(body, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


class BrowserDialect(BeaconDialect):
    """The key stands in the query; a body says by its first bytes whether it is compressed."""

    encodings = {b"": recognised, b"gzip": inflate}  # noqa: RUF012 # as in the base class
