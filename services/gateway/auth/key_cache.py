"""Known keys: looked up in Postgres, remembered, and good for a while without it.

Times are monotonic seconds, an argument. A key is looked up again when its grant is older than a minute, and at once
when it is said to have changed, so that a revoked one ends; while Postgres is away a known key is good for an hour. A
key that nobody has is remembered too, for some seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from services.gateway.auth.bounded_map import BoundedMap, bound_of
from services.gateway.auth.lookup_limit import LookupLimit
from services.gateway.auth.ports import Grant, Grants, Spread
from services.gateway.auth.session import Sessions
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

UNKNOWN_S = 10.0
"""How long a key that nobody has is not looked up again, unless it is said to have been made."""

MAX_UNKNOWN = 100_000
"""Keys that nobody has, at once; beyond it the one that came longest ago is forgotten."""


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
        sessions: Sessions | None = None,
    ) -> None:
        self._grants = grants
        self._granted = granted
        self._spread = spread
        self._api_keys: BoundedMap[bytes, ApiKey] = BoundedMap(max_keys)
        self._lookups: dict[bytes, asyncio.Task[ApiKey | None]] = {}
        self._unknown: BoundedMap[bytes, float] = BoundedMap(MAX_UNKNOWN)
        self._changes = 0
        self.sessions = sessions
        """Sessions whose cookies stand for keys; None: none do."""
        self.limit = LookupLimit()
        """Bounds the look-ups of keys that nobody has."""
        self.used: set[bytes] = set()
        """Hashes of the keys that were looked up with success since this was emptied."""
        self.bound = bound_of("keys", self._api_keys)
        """What it may remember."""
        self.bound_unknown = bound_of("unknown_keys", self._unknown)
        """What it may remember of keys that nobody has."""
        self.ever_found = False
        """Some key has been looked up with success (an unknown one counts: Postgres answered)."""

    def known(self, key_hash: bytes, now_s: float) -> ApiKey | None:
        """The api_key of a key that is fresh enough to need no look-up."""
        api_key = self._api_keys.get(key_hash)
        return api_key if api_key is not None and now_s < api_key.lookup_at_s else None

    def wait_s(self, key_hash: bytes, address: str, now_s: float) -> float:
        """0 when `find` may be asked; else when to come again, for too many keys were looked up that nobody has."""
        if key_hash in self._api_keys or key_hash in self._lookups or self._is_unknown(key_hash, now_s):
            return 0.0
        return self.limit.wait_s(address, now_s)

    def forget(self, key_hash: bytes) -> None:
        """The key was made, changed or revoked."""
        self._changes += 1
        self._api_keys.pop(key_hash, None)
        self._unknown.pop(key_hash, None)

    def doubt(self, now_s: float, tenant_id: int | None = None) -> None:
        """Keys of this tenant, or of any, may have changed: each is looked up again when it comes."""
        self._changes += 1
        if tenant_id is None:
            self._unknown.clear()
        for api_key in self._api_keys.values():
            if tenant_id in (None, api_key.grant.tenant_id):
                api_key.lookup_at_s = min(api_key.lookup_at_s, now_s)

    async def find(self, key_hash: bytes, now_s: float, address: str = "") -> ApiKey | None:
        """The api_key of a key, None for an unknown one; raise `Unavailable` when it cannot be known."""
        api_key = self._api_keys.get(key_hash)
        if api_key is None:
            return (
                None if self._is_unknown(key_hash, now_s) else await self._counted(key_hash, now_s, address)
            )
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

    def _is_unknown(self, key_hash: bytes, now_s: float) -> bool:
        return now_s < self._unknown.get(key_hash, now_s)

    async def _counted(self, key_hash: bytes, now_s: float, address: str) -> ApiKey | None:
        """The first look-up of a key, which counts for its address when it finds nothing; who shares one does not."""
        if key_hash in self._lookups:
            return await self._first(key_hash, now_s)
        self.limit.begin()
        api_key = None
        try:
            api_key = await self._first(key_hash, now_s)
        finally:
            self.limit.end(address, found=api_key is not None)
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
        changes = self._changes
        grant = await self._grants.find(key_hash)
        self.ever_found = True
        self._api_keys.pop(key_hash, None)
        if grant is None:
            if changes == self._changes:
                self._unknown[key_hash] = now_s + UNKNOWN_S
            return None
        self.used.add(key_hash)
        self._granted(grant, now_s)
        # What changed meanwhile may not be in the answer.
        fresh_s = self._spread(REFRESH_S) if changes == self._changes else 0.0
        self._api_keys[key_hash] = api_key = ApiKey(grant, now_s, now_s + fresh_s)
        return api_key
