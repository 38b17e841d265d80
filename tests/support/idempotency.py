"""A memory of claims without a server; it passes the suite of the one in Redis."""

from services.gateway.intake.domain.idempotency import Identity
from shared.errors import Unavailable


class FakeIdempotencyClaims:
    """The body and the open attempts of each key, for ever; or away."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self._conns: dict[bytes, tuple[int, int]] = {}

    async def claim_idempotency_key(self, batch: Identity) -> bool:
        """Whether the key is free or stands for this body; from now on it does."""
        if not self.up:
            raise Unavailable("redis", "away")
        body, attempts = self._conns.get(batch.batch_id, (batch.body, 0))
        if body != batch.body:
            return False
        self._conns[batch.batch_id] = body, attempts + 1
        return True

    async def release(self, batch: Identity) -> None:
        """Take back one claim."""
        body, attempts = self._conns.pop(batch.batch_id, (0, 0))
        if attempts and (body != batch.body or attempts > 1):
            self._conns[batch.batch_id] = body, attempts - (body == batch.body)
