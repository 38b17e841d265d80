"""The cache of blocks: this process's memory, then Redis, then the tables; valid by the log, never by a guess.

Milliseconds UTC, lives in seconds. Windows are published before they are committed, so nothing is deleted when
they come: an entry knows up to where it holds them, and who reads it asks the log. Invariant: no answer is more than
a second behind a commit, whatever else happens at the same time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from services.gateway.query.cache.entry import (
    FRESH_S,
    KINDS,
    SETTLED_MS,
    Block,
    Entry,
    has_all,
    is_behind,
    renewed,
    size_of,
)
from services.gateway.query.cache.memory import Memory
from services.gateway.query.cache.ports import Changes, Salts, Shared
from services.gateway.query.cache.statistics import Statistics
from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.ports import READING, Blocks, Loaded
from services.gateway.query.questions.selection import Selection
from shared.model.window import BASE_MS, MAX_LATE_MS

OPEN_S = 60.0
"""Life of a block with windows that have not closed, in this process alone."""

CLOSED_S = 3_600.0
"""Life of a block whose windows have all closed; it is renewed while it is valid and asked for."""

LATE_S = 86_400.0
"""Life of one for which no client may send points any more."""

JITTER = 0.1
"""The share of its life by which an entry may end sooner, so that not all end at once."""

AWAIT_S = 0.2
"""How long another process's load is waited for."""

REACH_S = 0.1
"""How long the log is waited for that the tables were seen ahead of."""

PAUSE_S = 0.02
"""Between two looks while waiting."""

NOTHING_SEEN: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Asked:
    """A block, and up to where the tables were seen by whoever asks."""

    block: Block
    key: bytes
    now_ms: int
    seen: Mapping[int, int]


@dataclass(slots=True, eq=False)
class _Flight:
    """A load under way."""

    number: int
    task: "asyncio.Task[tuple[Entry, bool]]"
    """The entry, and whether the tables were read for it."""


class Cache:
    """Blocks of grouped rows."""

    def __init__(  # noqa: PLR0917 - what it stands between
        self,
        tables: Blocks,
        changes: Changes,
        shared: Shared,
        salts: Salts,
        memory: Memory,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._changes = changes
        self._shared = shared
        self._salts = salts
        self._memory = memory
        self._clock = clock
        self._flights: dict[bytes, _Flight] = {}
        self._number = 0
        self._telling: set[asyncio.Task[None]] = set()
        self.statistics = Statistics()

    async def block(
        self,
        selection: Selection,
        tier_ms: int,
        block_start_ms: int,
        now_ms: int,
        seen: Mapping[int, int] = NOTHING_SEEN,
    ) -> Grouped:
        """The rows of a block. Raises as the tables do.

        `seen`: where the asker saw the partitions stand in the tables; the rows are no older than that.
        """
        return (await self._of(Block(selection, tier_ms, block_start_ms), now_ms, seen)).rows

    async def tail(
        self, selection: Selection, from_ms: int, to_ms: int, now_ms: int, seen: Mapping[int, int]
    ) -> Loaded:
        """Rows of 10 s of a part of a block that some partitions have not closed, and where they stood then."""
        entry = await self._of(Block(selection, BASE_MS, from_ms, to_ms), now_ms, seen)
        return Loaded(entry.rows, entry.standing)

    async def _of(self, block: Block, now_ms: int, seen: Mapping[int, int]) -> Entry:
        salt = await self._salts.salt(block.selection.tenant_id, block.selection.metric)
        return await self._entry(_Asked(block, block.key(salt), now_ms, seen))

    async def _entry(self, asked: _Asked) -> Entry:
        arrived = self._number
        while True:
            if (entry := await self._remembered(asked)) is not None:
                self._answered(asked, loaded=False)
                return entry
            flight = self._flights.get(asked.key)
            if flight is None or flight.task.done():
                flight = self._begin(asked)
            # It goes on for the others when the one who began it is gone.
            found, from_tables = await asyncio.shield(flight.task)
            # What began before the asker came may have read what was already old then.
            if (from_tables and flight.number > arrived) or self._is_usable(found, asked):
                self._answered(asked, loaded=from_tables)
                return found

    async def _remembered(self, asked: _Asked) -> Entry | None:
        entry = self._memory.get(asked.key)
        if entry is None:
            self._saw(asked, "l1", "misses")
            return None
        await self._reached(entry, asked.seen)
        if not self._is_usable(entry, asked):
            self._saw(asked, "l1", "invalid")
            return None
        self._saw(asked, "l1", "hits")
        self._renew(entry, asked)
        return entry

    async def _reached(self, entry: Entry, seen: Mapping[int, int]) -> None:
        """Wait a moment for the log where the tables were seen ahead of it."""
        waited_s = 0.0
        while waited_s < REACH_S and is_behind(entry, seen, self._changes.known().ended):
            await asyncio.sleep(PAUSE_S)
            waited_s += PAUSE_S

    def _is_usable(self, entry: Entry, asked: _Asked) -> bool:
        """Whether the entry holds everything that was committed more than a second ago, and all that was seen."""
        known = self._changes.known()
        if is_behind(entry, asked.seen, known.ended if known.current else NOTHING_SEEN):
            return False
        block = asked.block
        if not known.current:
            # Beside live windows that were read since then a part would lack what has closed in between.
            return block.is_whole and self._clock() - entry.began_s <= FRESH_S
        if block.end_ms + SETTLED_MS <= known.log_ms:
            return True
        one = block.selection
        touched = self._changes.touched(one.tenant_id, one.metric, block.tier_ms, block.start_ms)
        return self._changes.covers(entry.log_ms) and has_all(entry, touched)

    def _renew(self, entry: Entry, asked: _Asked) -> None:
        """Let a valid entry live on from the second half of its life on."""
        known, life_s = self._changes.known(), self._life_s(asked)
        if known.current and entry.until_s - self._clock() < life_s / 2:
            renewed(entry, known)
            self._keep(entry, asked)
            if self._is_closed(asked.block):
                self._beside(self._shared.put(asked.key, entry, life_s))

    def _is_closed(self, block: Block) -> bool:
        return block.is_whole and block.end_ms <= self._changes.known().watermark_ms

    def _life_s(self, asked: _Asked) -> float:
        if not self._is_closed(asked.block):
            return OPEN_S
        life_s = LATE_S if asked.block.end_ms + MAX_LATE_MS <= asked.now_ms else CLOSED_S
        return life_s * (1 - JITTER * asked.key[0] / 255)

    def _begin(self, asked: _Asked) -> _Flight:
        self._number += 1
        flight = _Flight(self._number, asyncio.create_task(self._fetched(asked)))
        self._flights[asked.key] = flight

        def over(task: "asyncio.Task[tuple[Entry, bool]]") -> None:
            if self._flights.get(asked.key) is flight:
                del self._flights[asked.key]
            if not task.cancelled():
                task.exception()  # whoever waited may be gone

        flight.task.add_done_callback(over)
        return flight

    async def _fetched(self, asked: _Asked) -> tuple[Entry, bool]:
        if not self._changes.known().current or not self._is_closed(asked.block):
            return await self._loaded(asked), True
        entry, claimed = await self._from_others(asked)
        if entry is not None:
            self._keep(entry, asked)
            return entry, False
        entry = await self._loaded(asked)
        if self._is_usable(entry, asked):
            self._beside(self._shared.put(asked.key, entry, self._life_s(asked)))
        elif claimed:
            self._beside(self._shared.release(asked.key))
        return entry, True

    async def _from_others(self, asked: _Asked) -> tuple[Entry | None, bool]:
        """What another process has loaded, or is loading; where there is none, whether the others leave it to us."""
        entry = await self._shared.get(asked.key)
        outcome = "misses" if entry is None else "hits" if self._is_usable(entry, asked) else "invalid"
        self._saw(asked, "l2", outcome)
        if outcome == "hits":
            return entry, False
        if await self._shared.claim(asked.key):
            return None, True
        waited_s = 0.0
        while waited_s < AWAIT_S:
            await asyncio.sleep(PAUSE_S)
            waited_s += PAUSE_S
            entry = await self._shared.get(asked.key)
            if entry is not None and self._is_usable(entry, asked):
                return entry, False
        return None, False

    async def _loaded(self, asked: _Asked) -> Entry:
        block, began_s, log_ms = asked.block, self._clock(), self._changes.known().log_ms
        loaded = await self._tables.load(block.selection, block.tier_ms, block.start_ms, block.end_ms)
        entry = Entry(
            loaded.rows, loaded.as_of, log_ms, began_s, size=size_of(loaded.rows), standing=loaded.standing
        )
        self._keep(entry, asked)
        return entry

    def _keep(self, entry: Entry, asked: _Asked) -> None:
        entry.until_s = self._clock() + self._life_s(asked)
        entry.tenant_id = asked.block.selection.tenant_id
        self._memory.keep(asked.key, entry)

    def _beside(self, job: Coroutine[Any, Any, None]) -> None:
        """Let others know, while whoever waits has the answer."""
        task = asyncio.create_task(job)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _saw(self, asked: _Asked, layer: str, outcome: str) -> None:
        one = asked.block
        self.statistics.saw(one.selection.tenant_id, layer, KINDS[one.tier_ms], outcome)

    def _answered(self, asked: _Asked, *, loaded: bool) -> None:
        self.statistics.answered(asked.block.selection.tenant_id, loaded=loaded)
        reading = READING.get()
        if reading is not None and not loaded:
            reading.hits += 1
