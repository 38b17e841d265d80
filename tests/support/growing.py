"""A memory of bodies that grow, without a server; it passes the suite of the one in Redis."""

from collections.abc import Sequence

from services.gateway.intake.domain.growing_body import Prefix
from shared.errors import Unavailable


class FakeGrowingBodies:
    """All bodies of each name, for ever; or away."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self._bodies: dict[bytes, list[Prefix]] = {}

    async def earlier(self, name: bytes, body: Prefix) -> Sequence[Prefix]:
        """Those of this name that came before; from now on this body is one of them."""
        if not self.up:
            raise Unavailable("redis", "away")
        known = self._bodies.setdefault(name, [])
        found = list(known)
        if body not in known:
            known.append(body)
        return found
