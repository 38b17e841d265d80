"""Alert transitions for all streams: looked for once a second while anybody has one open, told in the order they came.

Times are microseconds. What was told is known by its key, for a look overlaps the one before it. Invariant: what is
recorded after a tenant is followed is told, and nothing that was recorded before.
"""

from collections import deque
from collections.abc import Collection
from typing import Protocol

from cachetools import FIFOCache

from services.gateway.query.page.live.transitions import MAX_TRANSITIONS, OVERLAP_US, Numbered

MAX_KEYS = 20_000
"""Keys of transitions that were told; more within ten seconds would be told twice."""

BACK_US = 60_000_000
"""How far back the first look goes: clocks of servers agree by less."""


class Transitions(Protocol):
    """Knows transitions."""

    async def since(self, tenants: Collection[int], number: int) -> list[Numbered]:
        """The newest ones of each tenant after a number, in their order. Raises `Unavailable`."""
        ...


class AlertFeed:
    """Transitions of tenants by the place in which they came."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self._known: FIFOCache[tuple[int, str], bool] = FIFOCache(MAX_KEYS)
        self._came: dict[int, deque[tuple[int, Numbered]]] = {}
        """By tenant that is followed."""
        self._position = 0
        self._number = 0

    def position(self, tenant_id: int) -> int:
        """The position of the newest transition of a tenant, 0: none has come."""
        came = self._came.get(tenant_id)
        return came[-1][0] if came else 0

    def after(self, tenant_id: int, position: int) -> list[Numbered]:
        """Those that came behind a position."""
        return [one for at, one in self._came.get(tenant_id, ()) if at > position]

    async def follow(self, tenant_id: int, now_us: int) -> None:
        """From now on look for those of this tenant, until a check leaves it out. Raises `Unavailable`."""
        if tenant_id in self._came:
            return
        self._number = self._number or now_us - BACK_US
        found = await self._transitions.since([tenant_id], self._number - OVERLAP_US)
        if tenant_id in self._came:
            return  # another stream was quicker: what has come since then it must be told
        self._came[tenant_id] = deque(maxlen=MAX_TRANSITIONS)
        for one in found:
            self._known[one.tenant_id, one.key] = True

    async def check(self, tenants: Collection[int]) -> set[int]:
        """Look for new ones of those that are followed; the tenants that have some. Raises `Unavailable`."""
        for gone in self._came.keys() - tenants:
            del self._came[gone]
        found = await self._transitions.since(list(self._came), self._number - OVERLAP_US)
        new = set[int]()
        for one in found:
            self._number = max(self._number, one.number)
            if (one.tenant_id, one.key) in self._known:
                continue
            self._known[one.tenant_id, one.key] = True
            if (came := self._came.get(one.tenant_id)) is not None:
                self._position += 1
                came.append((self._position, one))
                new.add(one.tenant_id)
        return new

    async def missed(self, tenant_id: int, number: int) -> list[Numbered]:
        """What came since a stream saw this number, and a little before. Raises `Unavailable`."""
        return await self._transitions.since([tenant_id], number - OVERLAP_US)
