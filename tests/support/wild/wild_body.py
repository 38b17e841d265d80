"""A generated body, and what makes one: `Maker` takes a source of chance and when the body will be received.

Milliseconds UTC. A body has items, which its protocol numbers from 0: each counts, is refused under its number, or says
nothing.
"""

from collections.abc import Callable, Collection
from random import Random
from typing import NamedTuple

from services.gateway.intake.columns.contract import Request


class WildBody(NamedTuple):
    """A request that may be anything between good and hopeless."""

    path: str
    body: bytes
    items: int
    """Its items are numbered from 0 up to this."""
    silent: Collection[int] = ()
    """Items that say nothing by their protocol, such as the marker that ends a series."""
    media: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    query: bytes = b""

    def request(self, tenant_id: int, received_at_ms: int, scrub: frozenset[str] = frozenset()) -> Request:
        """The request as a decoder sees it, `scrub` being what its tenant will not have in the log."""
        path, media = self.path.replace("{key}", "k").replace("{project}", "1"), self.media.partition(b";")[0]
        return Request(
            self.body, list(self.headers), self.query, tenant_id, received_at_ms, path, media, scrub
        )


Maker = Callable[[Random, int], WildBody]
"""Makes a body that will be received at this time."""
