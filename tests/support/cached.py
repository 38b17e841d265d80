"""The cache with what stands around it in memory: tables, a log, Redis. Seconds of a clock that a test moves."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from services.gateway.query.cache.cache import Cache
from services.gateway.query.cache.entry import LONG_AGO, Entry, Known
from services.gateway.query.cache.memory import Memory
from services.gateway.query.questions.grouped import NOTHING, Group, Grouped
from services.gateway.query.questions.ports import Loaded, Standing
from services.gateway.query.questions.selection import Selection
from shared.errors import Unavailable

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000 + HOUR_MS
CLOSED_MS = NOW_MS - HOUR_MS
"""Start of a block of 10 s that has closed."""

ASKED = Selection(1, "cpu")


class Clock:
    """Time stands still unless it is moved."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.s


@dataclass
class KnownLog:
    """What is known of the log."""

    now: Known = field(
        default_factory=lambda: Known(
            current=True, log_ms=NOW_MS, ended={0: 100}, watermark_ms=NOW_MS - 60_000
        )
    )
    since_ms: int = 0
    changed: dict[int, int] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set each time somebody wants to know how far it was read."""

    def known(self) -> Known:
        """How far it was read."""
        self.asked.set()
        return self.now

    def covers(self, log_ms: int) -> bool:
        """Whether everything after this is known."""
        return log_ms >= self.since_ms

    def touched(self, tenant_id: int, metric: str, tier_ms: int, start_ms: int) -> Mapping[int, int]:
        """The same for every block."""
        return self.changed


@dataclass
class CountingTables:
    """Tables in which each load finds a row more, as of an offset."""

    next_offset: int = 100
    loads: int = 0
    going: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a load begins."""
    away: bool = False

    def __post_init__(self) -> None:
        self.going.set()

    async def load(self, selection: Selection, tier_ms: int, from_ms: int, to_ms: int) -> Loaded:
        """The number of this load, as a label."""
        self.loads += 1
        self.begun.set()
        number, standing = self.loads, {0: Standing(self.next_offset, 0)}
        await self.going.wait()
        if self.away:
            raise Unavailable("postgres", "away")
        return Loaded(Grouped(tier_ms, [Group("gauge", "", (("load", str(number)),))], NOTHING), standing)


@dataclass
class MemoryShared:
    """Entries for all processes, in memory."""

    clock: Callable[[], float]
    entries: dict[bytes, tuple[Entry, float]] = field(default_factory=dict)
    claims: dict[bytes, float] = field(default_factory=dict)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a load is left to another process."""

    async def get(self, key: bytes) -> Entry | None:
        """A copy of the entry."""
        entry, until_s = self.entries.get(key, (None, 0.0))
        return replace(entry, began_s=LONG_AGO) if entry is not None and self.clock() < until_s else None

    async def put(self, key: bytes, entry: Entry, life_s: float) -> None:
        """Keep a copy, and let go of the claim."""
        self.entries[key] = replace(entry, as_of=dict(entry.as_of), began_s=LONG_AGO), self.clock() + life_s
        self.claims.pop(key, None)

    async def claim(self, key: bytes) -> bool:
        """For five seconds."""
        if self.clock() < self.claims.get(key, 0.0):
            self.left.set()
            return False
        self.claims[key] = self.clock() + 5
        return True

    async def release(self, key: bytes) -> None:
        """Let others load it."""
        self.claims.pop(key, None)


class MemorySalts:
    """Salts that count."""

    def __init__(self) -> None:
        self.cleared = 0

    async def salt(self, tenant_id: int, metric: str) -> str:
        """How often all was cleared."""
        return str(self.cleared)

    async def clear(self, tenant_id: int, metric: str | None) -> bool:
        """Clear all."""
        self.cleared += 1
        return True


class Setting:
    """A process with a cache; another one may share what stands around it."""

    def __init__(self, other: "Setting | None" = None, limit_bytes: int = 1 << 20) -> None:
        self.clock: Clock = other.clock if other else Clock()
        self.log = KnownLog()
        self.tables: CountingTables = other.tables if other else CountingTables()
        self.shared: MemoryShared = other.shared if other else MemoryShared(self.clock)
        self.salts = MemorySalts()
        self.memory = Memory(limit_bytes, self.clock)
        self.cache = Cache(self.tables, self.log, self.shared, self.salts, self.memory, self.clock)

    async def ask(
        self,
        start_ms: int = CLOSED_MS,
        tier_ms: int = 10_000,
        selection: Selection = ASKED,
        seen: Mapping[int, int] | None = None,
    ) -> int:
        """Which load the answer is of."""
        rows = await self.cache.block(selection, tier_ms, start_ms, NOW_MS, seen or {})
        await asyncio.sleep(0)  # what is told to others beside the answer
        return int(dict(rows.groups[0].labels)["load"])

    def knows(self, **changes: object) -> None:
        """Change what is known of the log."""
        self.log.now = replace(self.log.now, **changes)  # type: ignore[arg-type]
