"""Known keys: looked up in Postgres, remembered, and good for a while without it.

Times are monotonic seconds, an argument. A key whose grant is older than a minute is looked up again, so that a revoked
one ends; while Postgres is away a known key is good for an hour.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from services.gateway.auth.bounded_map import BoundedMap, bound_of
from services.gateway.auth.ports import Grant, Grants, Spread
from shared.errors import Unavailable

FRESH_S = 60.0
"""A key is looked up again when its grant is older, so that a revoked one ends."""

REFRESH_S = 30.0
"""From this age on, or a little sooner, it is looked up beside the requests, so that they need not wait for it."""

STALE_S = 3600.0
"""How long a grant is good while Postgres is away."""

RETRY_S = 5.0
"""Longest pause after a failed look-up of a key whose grant is known."""

WAIT_S = 1.0
"""How long a request with a stale grant waits for a fresh one."""

FIRST_S = 3.0
"""How long a request with a new key waits for its grant."""

MAX_KEYS = 10_000
"""Known keys at once; beyond it the one that was looked up longest ago is forgotten."""


Granted = Callable[[Grant, float], None]
"""Told of a grant that was looked up, and when."""


def _nobody(_grant: Grant, _now_s: float) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class ApiKey:
    """A known key: its grant, and when it is to be looked up again."""

    grant: Grant
    looked_up_s: float
    lookup_at_s: float


class KeyCache:
    """Finds grants and remembers them, also while Postgres is away.

    `granted` learns each grant that was looked up and when; `spread` shortens periods at random.
    """

    def __init__(
        self,
        grants: Grants,
        granted: Granted = _nobody,
        *,
        max_keys: int = MAX_KEYS,
        spread: Spread = float,
    ) -> None:
        self._grants = grants
        self._granted = granted
        self._spread = spread
        self._api_keys: BoundedMap[bytes, ApiKey] = BoundedMap(max_keys)
        self._lookups: dict[bytes, asyncio.Task[ApiKey | None]] = {}
        self.bound = bound_of("keys", self._api_keys)
        """What it may remember."""
        self.ever_found = False
        """Some key has been looked up with success (an unknown one counts: Postgres answered)."""

    def known(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        """The api_key of a key that is fresh enough to need no look-up."""
        api_key = self._api_keys.get(key_hash)
        return api_key if api_key is not None and now_s < api_key.lookup_at_s else None

    async def find(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        """The api_key of a key, None for an unknown one; raise `Unavailable` when it cannot be known."""
        api_key = self._api_keys.get(key_hash)
        if api_key is None:
            return await self._first(key_hash, now_s)
        age_s = now_s - api_key.looked_up_s
        if now_s >= api_key.lookup_at_s:
            lookup = self._lookup(key_hash, now_s)
            if age_s > FRESH_S:
                done, _ = await asyncio.wait({lookup}, timeout=WAIT_S)
                if done and lookup.exception() is None:
                    return lookup.result()
                api_key.lookup_at_s = now_s + self._spread(RETRY_S)
        if age_s > STALE_S:
            raise Unavailable("postgres", "the key has not been confirmed for an hour")
        return api_key

    async def _first(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        lookup = self._lookup(key_hash, now_s)
        done, _ = await asyncio.wait({lookup}, timeout=FIRST_S)
        if not done:
            raise Unavailable("postgres", f"no answer in {FIRST_S:g} s")
        return lookup.result()

    def _lookup(self, key_hash: bytes, now_s: float) -> asyncio.Task[ApiKey | None]:
        task = self._lookups.get(key_hash)
        if task is None:
            task = self._lookups[key_hash] = asyncio.create_task(self._ask(key_hash, now_s))
            task.add_done_callback(lambda done: self._looked_up(key_hash, done, now_s))
        return task

    def _looked_up(self, key_hash: bytes, task: asyncio.Task[ApiKey | None], now_s: float) -> None:
        del self._lookups[key_hash]
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Unavailable):
            if key_hash in self._api_keys:
                self._api_keys[key_hash].lookup_at_s = now_s + self._spread(RETRY_S)
        elif problem is not None:
            raise problem  # a bug that no request may be waiting for

    async def _ask(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        grant = await self._grants.find(key_hash)
        self.ever_found = True
        self._api_keys.pop(key_hash, None)
        if grant is None:
            return None
        self._granted(grant, now_s)
        self._api_keys[key_hash] = api_key = ApiKey(grant, now_s, now_s + self._spread(REFRESH_S))
        return api_key
