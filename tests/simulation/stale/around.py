"""What stands around the query processes of a world: tables, open windows, Redis, each step delayed by chance.

Seconds of the loop's clock, milliseconds UTC in the log. A value counts the revisions of a block in a partition.
"""

import random
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from services.gateway.query.cache.entry import LONG_AGO, Entry
from services.gateway.query.feed.readings import Message, Unreadable
from services.gateway.query.questions.grouped import Grouped, Part, grouped
from services.gateway.query.questions.ports import LivePart, LiveParts, Loaded, Standing
from services.gateway.query.questions.selection import Selection
from shared.model.series import Series
from tests.support.rows import rows_of
from tests.support.simulated.loop import SimulatedLoop

PARTITIONS = 2
LIVE = 1
"""The partition whose window is open."""

BLOCK_MS = 900_000
NOW_MS = 10 * 86_400_000
"""When the world begins; no block of it is out of reach of late points."""

WATERMARK_MS = NOW_MS - 1_000_000
OPEN_MS = WATERMARK_MS - WATERMARK_MS % BLOCK_MS
"""Start of the block that the first partition has closed, and the others have not."""

BLOCKS_MS = (0, BLOCK_MS, OPEN_MS)
"""Starts of the blocks that are read; the first two have closed long ago."""

SELECTION = Selection(1, "m", by=("partition",))

Values = dict[tuple[int, int], int]
"""By partition and block."""


@dataclass(slots=True, eq=False)
class Tables:
    """Postgres: what was committed, and when."""

    next_offset: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    values: Values = field(default_factory=dict)
    commits: list[tuple[float, tuple[int, int], int]] = field(default_factory=list)
    """When, of what, which value."""

    def commit(self, partition: int, end: int, values: Values, at_s: float) -> None:
        """What one transaction does."""
        self.next_offset[partition] = end
        for place, value in values.items():
            if value != self.values.get(place, 0):
                self.values[place] = value
                self.commits.append((at_s, place, value))

    def least(self, block_ms: int, before_s: float) -> dict[int, int]:
        """The values of a block that were committed by then."""
        return {
            place[0]: value
            for at_s, place, value in self.commits
            if place[1] == block_ms and at_s <= before_s
        }


@dataclass(slots=True)
class Record:
    """A message of the log, and when it was appended."""

    at_s: float
    message: Message | Unreadable


@lru_cache(maxsize=4_096)
def part_of(values: tuple[tuple[int, int], ...], start_ms: int) -> Part:
    """A row for each partition and value, the sum."""
    owners = [Series(1, "m", "delta", "", (("partition", str(at)),)) for at, _ in values]
    return Part(owners, rows_of([(slot, start_ms, [value]) for slot, (_, value) in enumerate(values)]))


def values_of(rows: Grouped) -> dict[int, int]:
    """The values of partitions."""
    partitions = [int(dict(group.labels)["partition"]) for group in rows.groups]
    return {
        partitions[slot]: int(value)
        for slot, value in zip(rows.rollups.slot.tolist(), rows.rollups.sum.tolist(), strict=True)
    }


class SimulatedWorld(Protocol):
    """What they know of the world."""

    chance: random.Random
    loop: SimulatedLoop
    tables: Tables
    live_value: int

    async def pause(self, most_s: float) -> None:
        """Wait for some time up to so long."""
        ...


class Snapshots:
    """The port of the tables: a load sees one instant."""

    def __init__(self, world: "SimulatedWorld") -> None:
        self._world = world

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """The values of a block, as sums of a group for each partition."""
        await self._world.pause(0.3)
        rows = self.rows(tier_ms, from_ms)
        loaded = Loaded(rows, self.stand())
        await self._world.pause(2.0 if self._world.chance.random() < 0.1 else 0.2)
        return loaded

    def rows(self, tier_ms: int, from_ms: int) -> Grouped:
        """What stands there now."""
        values = tuple(
            (partition, value)
            for (partition, block_ms), value in self._world.tables.values.items()
            if block_ms == from_ms
        )
        return grouped(SELECTION, [part_of(values, from_ms)] if values else [], tier_ms)

    async def standing(self) -> dict[int, Standing]:
        """Where the partitions stand now, or stood a moment ago."""
        found = self.stand()
        await self._world.pause(0.1)
        return found

    def stand(self) -> dict[int, Standing]:
        """Where the partitions stand now."""
        marks_ms = (OPEN_MS + BLOCK_MS, OPEN_MS)
        offsets = self._world.tables.next_offset
        return {at: Standing(offset, marks_ms[at]) for at, offset in enumerate(offsets)}


class OpenWindows:
    """The port of live windows: one of the partition that has not closed it, as it is when the log is asked."""

    def __init__(self, world: "SimulatedWorld") -> None:
        self._world = world

    async def live(self, tenant_id: int, metric: str, from_ms: int, to_ms: int) -> LiveParts:
        """The newest value, with its number."""
        await self._world.pause(0.05)
        value = self._world.live_value
        if from_ms != OPEN_MS or not value:
            return LiveParts([])
        found = LiveParts([LivePart(LIVE, part_of(((LIVE, value),), OPEN_MS))], (value,))
        await self._world.pause(0.05)
        return found


class SharedEntries:
    """Redis: entries for all processes, until it loses them."""

    def __init__(self, world: "SimulatedWorld") -> None:
        self._world = world
        self.entries: dict[bytes, tuple[Entry, float]] = {}
        self.claims: dict[bytes, float] = {}
        self.away_until_s = 0.0

    async def _reaches(self) -> bool:
        await self._world.pause(0.05)
        return self._world.loop.time() >= self.away_until_s

    async def get(self, key: bytes) -> Entry | None:
        """A copy of the entry, as it was."""
        if not await self._reaches():
            return None
        entry, until_s = self.entries.get(key, (None, 0.0))
        await self._world.pause(0.05)
        return replace(entry, began_s=LONG_AGO) if entry and self._world.loop.time() < until_s else None

    async def put(self, key: bytes, entry: Entry, life_s: float) -> None:
        """Keep a copy of what the entry is now; it may take long until it is there."""
        kept = replace(entry, as_of=dict(entry.as_of), began_s=LONG_AGO)
        await self._world.pause(3.0 if self._world.chance.random() < 0.1 else 0.05)
        if await self._reaches():
            self.entries[key] = kept, self._world.loop.time() + life_s
            self.claims.pop(key, None)

    async def claim(self, key: bytes) -> bool:
        """For five seconds."""
        if not await self._reaches():
            return True
        now_s = self._world.loop.time()
        if now_s < self.claims.get(key, 0.0):
            return False
        self.claims[key] = now_s + 5
        return True

    async def release(self, key: bytes) -> None:
        """Let others load it."""
        if await self._reaches():
            self.claims.pop(key, None)


class NoSalts:
    """Nothing is cleared."""

    async def salt(self, tenant_id: int, metric: str) -> str:
        """Always the same."""
        return ""

    async def clear(self, tenant_id: int, metric: str | None) -> bool:
        """Nobody would know of it."""
        return False
