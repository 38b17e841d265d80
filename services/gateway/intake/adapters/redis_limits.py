"""What gateways tell each other of their tenants, once a second: the tokens they took, and the series that are active.

Seconds, and milliseconds UTC. A gateway decides at once and alone. What the others took is taken from its bucket
afterwards, and what is active elsewhere is active here, so that a tenant gets its rate and its series over all of them,
and for a second at most a multiple. Without Redis each gateway goes on by itself.
"""

import asyncio
from array import array
from contextlib import suppress
from dataclasses import dataclass

from services.gateway.auth.bounded_map import BoundedMap
from services.gateway.intake.domain.series_limit import MAX_TENANTS, SPAN_MS, SeriesLimiter
from services.gateway.intake.domain.tenant_limits import TenantLimits
from shared.errors import Unavailable
from shared.runtime.clock import monotonic_s, now_ms
from shared.runtime.redis import Client, guard

PERIOD_S = 1.0
"""How often gateways tell each other."""

FORGOTTEN_S = 30
"""A count that nobody adds to is gone after so long."""

STALE_S = 5.0
"""A total that is older says nothing of what the others took lately."""

WAIT_S = 0.5
"""Outer bound on one call."""


IDS_OF_ENTRY = 1024
"""Ids of series that are told in one entry of a list."""

MOST_ENTRIES = 256
"""Entries that are read of a list at once; what is behind them is read a second later."""

MOST_TENANTS = 500
"""Tenants whose series are shared at once; the others have their turn a second later."""


class SharedQuota:
    """What tenants have taken at all gateways that share a Redis."""

    def __init__(self, client: Client, limits: TenantLimits, prefix: str = "") -> None:
        self._client = client
        self._limits = limits
        self._prefix = f"{prefix}quota:"
        self._totals: dict[int, tuple[int, float]] = {}
        """Tenant -> total of all gateways, and when it was read."""

    async def watch(self) -> None:
        """Even out for ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            with suppress(Unavailable):
                await self.even_out(monotonic_s())

    async def even_out(self, now_s: float) -> None:
        """Tell what was taken here, and take here what was taken elsewhere. Raises `Unavailable`."""
        taken = self._limits.drain()
        fresh = {tenant_id: seen for tenant_id, seen in self._totals.items() if now_s - seen[1] <= STALE_S}
        self._totals = fresh
        if not taken:
            return
        totals = await self._added(taken)
        for (tenant_id, mine), total in zip(taken.items(), totals, strict=True):
            before = fresh.get(tenant_id, (total - mine, now_s))[0]
            self._limits.debit(tenant_id, max(0, total - mine - before))
            fresh[tenant_id] = (total, now_s)

    async def _added(self, taken: dict[int, int]) -> list[int]:
        """The totals of these tenants after what was taken here."""
        try:
            with guard():
                async with asyncio.timeout(WAIT_S), self._client.pipeline(transaction=False) as calls:
                    for tenant_id, tokens in taken.items():
                        calls.incrby(f"{self._prefix}{tenant_id}", tokens)
                        calls.expire(f"{self._prefix}{tenant_id}", FORGOTTEN_S)
                    return [int(total) for total in (await calls.execute())[::2]]
        except TimeoutError as error:
            raise Unavailable("redis", "no answer in time") from error


SERIES, OVERFLOWS = b"s", b"o"
"""What the ids of an entry are of, its first byte; they follow in 8 bytes each."""


@dataclass(slots=True)
class _Position:
    """How far the lists of a tenant have been read."""

    span: int
    read: int = 0


_Call = tuple[int, _Position, list[bytes]]
"""A tenant, where it is read on, and what is told of it."""


class SharedSeries:
    """The active series of tenants at all gateways that share a Redis."""

    def __init__(self, client: Client, limiter: SeriesLimiter, prefix: str = "") -> None:
        self._client = client
        self._limiter = limiter
        self._prefix = f"{prefix}series:"
        self._positions: BoundedMap[int, _Position] = BoundedMap(MAX_TENANTS)

    async def watch(self) -> None:
        """Share for ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            with suppress(Unavailable):
                await self.share(now_ms())

    async def share(self, at_ms: int) -> None:
        """Tell what has become active here, and learn what is active elsewhere. Raises `Unavailable`."""
        asked = list(self._limiter.asked)[:MOST_TENANTS]
        self._limiter.asked.difference_update(asked)
        if not asked:
            return
        span = at_ms // SPAN_MS
        calls = [(tenant_id, self._position(tenant_id, span), self._untold(tenant_id)) for tenant_id in asked]
        for (tenant_id, position, told), entries in zip(
            calls, await self._exchanged(span, calls), strict=True
        ):
            self._has_told(tenant_id, told)
            self._learn(tenant_id, entries)
            position.read += len(entries)
            if len(entries) == MOST_ENTRIES or position.span < span:
                self._limiter.asked.add(tenant_id)
            if len(entries) < MOST_ENTRIES and position.span < span:
                self._positions[tenant_id] = _Position(position.span + 1)

    async def _exchanged(self, span: int, calls: list[_Call]) -> list[list[bytes]]:
        """What is new in the lists of these tenants, once what they have not told is in them."""
        try:
            with guard():
                async with asyncio.timeout(WAIT_S), self._client.pipeline(transaction=False) as pipeline:
                    for tenant_id, position, untold in calls:
                        if untold:
                            pipeline.rpush(self._key(tenant_id, span), *untold)
                            pipeline.expire(self._key(tenant_id, span), 3 * SPAN_MS // 1000)
                        pipeline.lrange(
                            self._key(tenant_id, position.span),
                            position.read,
                            position.read + MOST_ENTRIES - 1,
                        )
                    return [each for each in await pipeline.execute() if isinstance(each, list)]
        except (TimeoutError, Unavailable) as error:
            self._limiter.asked.update(tenant_id for tenant_id, _, _ in calls)
            raise Unavailable("redis", "no answer in time") from error

    def _position(self, tenant_id: int, span: int) -> _Position:
        """Where the next read begins: in the span before at first, for what was active there may be still."""
        position = self._positions.get(tenant_id)
        if position is None or position.span < span - 1:
            position = self._positions[tenant_id] = _Position(span - 1)
        return position

    def _untold(self, tenant_id: int) -> list[bytes]:
        """The entries of what the others have not been told."""
        active = self._limiter.known(tenant_id)
        if active is None:
            return []
        entries = []
        for mark, kind in ((SERIES, active.series), (OVERFLOWS, active.overflows)):
            ids = array("q", kind.untold)
            entries += [
                mark + ids[at : at + IDS_OF_ENTRY].tobytes() for at in range(0, len(ids), IDS_OF_ENTRY)
            ]
        return entries

    def _has_told(self, tenant_id: int, entries: list[bytes]) -> None:
        active = self._limiter.known(tenant_id)
        if active is not None and entries:
            series, overflows = _ids_of(entries)
            active.series.untold.difference_update(series)
            active.overflows.untold.difference_update(overflows)

    def _learn(self, tenant_id: int, entries: list[bytes]) -> None:
        active = self._limiter.known(tenant_id)
        if active is not None and entries:
            active.learn(*_ids_of(entries))

    def _key(self, tenant_id: int, span: int) -> str:
        return f"{self._prefix}{tenant_id}:{span}"


def _ids_of(entries: list[bytes]) -> tuple["array[int]", "array[int]"]:
    """The ids of series, and of overflow series."""
    found = {SERIES: array("q"), OVERFLOWS: array("q")}
    for entry in entries:
        found[entry[:1]].frombytes(entry[1:])
    return found[SERIES], found[OVERFLOWS]
