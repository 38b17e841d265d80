"""Entries for all processes, and claims on loads.

Lives are seconds. Nothing here raises for a Redis that is away, and what another build has kept is passed over.
"""

import asyncio

from services.gateway.query.cache.entry import Entry, size_of
from services.gateway.query.cache.redis.breaker import Breaker
from services.gateway.query.questions.grouped import Group, Grouped
from shared.errors import Rejected, UnknownVersion
from shared.model.series import Series
from shared.runtime.redis import Client
from shared.wire import series
from shared.wire.stored import blocks

CLAIM_MS = 5_000
"""How long a load is left to the one that has claimed it."""

MAX_ENTRY_BYTES = 4 << 20
"""A value that is larger is not shared."""

APART_ROWS = 2_000
"""So many rows are packed in a thread."""

APART_BYTES = 64 << 10
"""From this size on a value is unpacked in one."""


class RedisShared:
    """Entries for all processes."""

    def __init__(self, client: Client, breaker: Breaker, prefix: str = "") -> None:
        self._client = client
        self._breaker = breaker
        self._prefix = f"{prefix}cache:"

    async def get(self, key: bytes) -> Entry | None:
        """The entry; None: there is none, or none can be had now."""
        value = await self._breaker.ask(lambda: self._client.get(self._name("block", key)))
        if not isinstance(value, bytes):
            return None
        try:
            if len(value) > APART_BYTES:
                return await asyncio.to_thread(_entry, value)
            return _entry(value)
        except (Rejected, UnknownVersion):
            return None  # of another build

    async def put(self, key: bytes, entry: Entry, life_s: float) -> None:
        """Keep it for so long, and let go of the claim."""
        rows = len(entry.rows.rollups)
        value = await asyncio.to_thread(_value, entry) if rows > APART_ROWS else _value(entry)
        if len(value) > MAX_ENTRY_BYTES:
            await self.release(key)
            return

        async def kept() -> None:
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.set(self._name("block", key), value, px=int(life_s * 1000))
                pipe.delete(self._name("loading", key))
                await pipe.execute()

        await self._breaker.ask(kept)

    async def claim(self, key: bytes) -> bool:
        """Whether this process should load it, for nobody else does."""
        name = self._name("loading", key)

        async def claimed() -> bool:
            return await self._client.set(name, b"", nx=True, px=CLAIM_MS) is not None

        return await self._breaker.ask(claimed) is not False

    async def release(self, key: bytes) -> None:
        """Let others load it: nothing was kept."""
        await self._breaker.ask(lambda: self._client.delete(self._name("loading", key)))

    def _name(self, what: str, key: bytes) -> str:
        return f"{self._prefix}{what}:{key.hex()}"


def _value(entry: Entry) -> bytes:
    rows = entry.rows
    packed = [series.pack(Series(0, "", group.kind, group.unit, group.labels)) for group in rows.groups]
    return blocks.encode(blocks.StoredBlock(entry.log_ms, entry.as_of, rows.tier_ms, packed, rows.rollups))


def _entry(value: bytes) -> Entry:
    block = blocks.decode(value)
    owners = map(series.unpack, block.series)
    groups = [Group(owner.kind, owner.unit, owner.labels) for owner in owners]
    rows = Grouped(block.tier_ms, groups, block.rollups)
    return Entry(rows, block.as_of, block.log_ms, size=size_of(rows))
