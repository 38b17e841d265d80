"""Stores in Redis, until they expire, idempotency claims, a value for each key of a batch, and bodies that may grow.

Claims of many requests go in one call, and one call runs at a time. A value is the hash of the body (8 bytes) and the
number of attempts that may have reached the log. An absent Redis raises `Unavailable` within a short limit.
"""

import asyncio
from collections.abc import Sequence

from services.gateway.intake.domain.growing_body import Prefix
from services.gateway.intake.domain.idempotency import Identity
from shared.errors import Unavailable
from shared.model.bound import Bound
from shared.runtime.clock import monotonic_s
from shared.runtime.lifecycle import background
from shared.runtime.redis import Client, guard
from shared.runtime.retry import spread

HELD_MS = 20 * 60 * 1000
"""How long a key stands for its body: longer than the aggregator remembers the batch, whatever clocks say."""

WAIT_S = 1.0
"""Outer bound on one call."""

RETRY_S = 2.0
"""Longest time after a failed call for which nobody asks again."""

MOST = 500
"""Claims of one call."""

MAX_WAITING = 5_000
"""Claims that wait for a call; more are let in unasked."""

_BIND = """
local answers = {}
for i, key in ipairs(KEYS) do
    local body, stored = ARGV[i + 1], redis.call('GET', key)
    if stored and string.sub(stored, 1, 8) ~= body then
        answers[i] = 0
    else
        local attempts = stored and tonumber(string.sub(stored, 9)) or 0
        redis.call('SET', key, body .. (attempts + 1), 'PX', ARGV[1])
        answers[i] = 1
    end
end
return answers
"""

_RELEASE = """
local stored = redis.call('GET', KEYS[1])
if stored and string.sub(stored, 1, 8) == ARGV[1] then
    local attempts = tonumber(string.sub(stored, 9)) - 1
    if attempts < 1 then
        redis.call('DEL', KEYS[1])
    else
        redis.call('SET', KEYS[1], ARGV[1] .. attempts, 'KEEPTTL')
    end
end
"""


class RedisIdempotencyClaims:
    """Claims of all gateways that share a Redis."""

    def __init__(self, client: Client, prefix: str = "", max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._evicted = 0
        self._prefix = f"{prefix}batch:".encode()
        self._bind_all = client.register_script(_BIND)
        self._release_one = client.register_script(_RELEASE)
        self._waiting: list[tuple[Identity, asyncio.Future[bool | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._retry_at_s = 0.0

    async def claim_idempotency_key(self, batch: Identity) -> bool:
        """Whether the key is free or stands for this body; from now on it does. Raises `Unavailable`."""
        if monotonic_s() < self._retry_at_s:
            raise Unavailable("redis", "no answer a moment ago")
        if len(self._waiting) >= self._max_waiting:
            self._evicted += 1
            raise Unavailable("redis", "too many claims wait")
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, answer))
        if self._asking is None:
            self._asking = background(self._ask(), "claims of batches")
        found = await answer
        if found is None:
            raise Unavailable("redis", "no answer in time")
        return found

    def bound(self) -> Bound:
        """Claims that wait."""
        return Bound(
            "idempotency_claims",
            "entries",
            self._max_waiting,
            lambda: len(self._waiting),
            lambda: self._evicted,
        )

    async def release(self, batch: Identity) -> None:
        """Take back one claim: nothing of the batch came into the log. Raises `Unavailable`."""
        try:
            with guard():
                async with asyncio.timeout(WAIT_S):
                    await self._release_one([self._key(batch)], [_body(batch)])
        except TimeoutError as error:
            raise Unavailable("redis", "no answer in time") from error

    async def _ask(self) -> None:
        """Put the claims that wait, until there are none."""
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            for (_, answer), found in zip(
                some, await self._answers([batch for batch, _ in some]), strict=True
            ):
                if not answer.done():
                    answer.set_result(found)
        self._asking = None

    async def _answers(self, batches: list[Identity]) -> list[bool | None]:
        keys, bodies = [self._key(batch) for batch in batches], [_body(batch) for batch in batches]
        try:
            with guard():
                async with asyncio.timeout(WAIT_S):
                    return [bool(found) for found in await self._bind_all(keys, [HELD_MS, *bodies])]
        except (TimeoutError, Unavailable):
            self._retry_at_s = monotonic_s() + spread(RETRY_S)
            return [None] * len(batches)

    def _key(self, batch: Identity) -> bytes:
        return self._prefix + batch.batch_id


def _body(batch: Identity) -> bytes:
    return batch.body.to_bytes(8, "little")


MOST_BODIES = 64
"""Bodies that are remembered of those that begin alike; beyond it the oldest is forgotten."""

_LENGTH_BYTES = 8

_REMEMBER = """
local earlier = redis.call('LRANGE', KEYS[1], 0, -1)
local known = false
for _, each in ipairs(earlier) do known = known or each == ARGV[1] end
if not known then
    redis.call('RPUSH', KEYS[1], ARGV[1])
    redis.call('LTRIM', KEYS[1], -ARGV[2], -1)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return earlier
"""


class RedisGrowingBodies:
    """Bodies that came to all gateways that share a Redis: the length and the hash of each, by what it begins with.

    A body is remembered before it is published, so that its repeat is known even where nobody lived to answer it.
    """

    def __init__(self, client: Client, prefix: str = "") -> None:
        self._prefix = f"{prefix}growing:".encode()
        self._remember = client.register_script(_REMEMBER)
        self._retry_at_s = 0.0

    async def earlier(self, name: bytes, body: Prefix) -> Sequence[Prefix]:
        """Those of this name that came before; from now on this body is one of them. Raises `Unavailable`."""
        if monotonic_s() < self._retry_at_s:
            raise Unavailable("redis", "no answer a moment ago")
        try:
            with guard():
                async with asyncio.timeout(WAIT_S):
                    found = await self._remember([self._prefix + name], [_packed(body), MOST_BODIES, HELD_MS])
        except (TimeoutError, Unavailable) as error:
            self._retry_at_s = monotonic_s() + spread(RETRY_S)
            raise Unavailable("redis", "no answer in time") from error
        return [Prefix(int.from_bytes(each[:_LENGTH_BYTES]), each[_LENGTH_BYTES:]) for each in found]


def _packed(body: Prefix) -> bytes:
    return body.length.to_bytes(_LENGTH_BYTES) + body.digest
