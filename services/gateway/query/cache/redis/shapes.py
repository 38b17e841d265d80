"""The shapes most asked, for the process that starts next.

Lives are seconds. Several processes write over each other's: each of them has seen a part of the same questions.
"""

from collections.abc import Sequence

import msgspec

from services.gateway.query.cache.redis.breaker import Breaker
from shared.runtime.redis import Client

SHAPES_S = 3_600
"""How long the shapes most asked are kept."""


class RedisShapes:
    """The shapes most asked, for the process that starts next."""

    def __init__(self, client: Client, breaker: Breaker, prefix: str = "") -> None:
        self._client = client
        self._breaker = breaker
        self._key = f"{prefix}cache:shapes"

    async def save(self, shapes: Sequence[bytes]) -> None:
        """Those most asked, the most asked first."""
        value = msgspec.msgpack.encode(list(shapes))
        await self._breaker.ask(lambda: self._client.set(self._key, value, ex=SHAPES_S))

    async def load(self) -> Sequence[bytes]:
        """What was saved last; nothing where nothing can be had."""
        value = await self._breaker.ask(lambda: self._client.get(self._key))
        try:
            return msgspec.msgpack.decode(value, type=list[bytes]) if isinstance(value, bytes) else []
        except msgspec.DecodeError:
            return []
