"""How Faro asks: its key is the last part of the address.

The header `x-api-key` may hold the same one.
"""

from services.gateway.auth.http import key_of
from services.gateway.intake.protocols.dialect import Asked, Dialect


class FaroDialect(Dialect):
    """Faro takes any 2xx for a delivery, repeats after 408, 425, 429 and 5xx, and drops on all others."""

    media = frozenset({b"application/json", b"text/plain"})

    def key(self, asked: Asked) -> bytes:
        """The key of a request; raise `Problem` when the address and a header hold different ones."""
        in_path = asked.path.rpartition("/")[2].encode()
        return key_of([*asked.headers, (b"x-api-key", in_path)])
