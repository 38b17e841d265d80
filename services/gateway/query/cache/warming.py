"""Loads what will be asked for: the shapes most asked, when a block of theirs has closed and after the start.

Seconds and milliseconds UTC. One block at a time, so that questions do not wait for it; what cannot be loaded is left.
"""

import asyncio
from collections.abc import Callable, Iterable

from services.gateway.query.cache.cache import Cache
from services.gateway.query.cache.ports import Changes, Shapes
from services.gateway.query.cache.shapes import AskedShapes, Shape, packed, unpacked
from services.gateway.query.questions.source import BLOCKS_MS
from shared.errors import Rejected, Unavailable
from shared.model.window import TIERS_MS

SHAPES = 50
"""Shapes that are loaded before anybody asks."""

CHECK_S = 1.0
"""Time between two looks at whether a block has closed."""

SAVE_S = 60.0
"""Time between two times that the shapes are saved for the next process."""


class Warming:
    """Keeps warm what is asked for."""

    def __init__(  # noqa: PLR0917 - what it stands between
        self,
        cache: Cache,
        asked: AskedShapes,
        kept: Shapes,
        changes: Changes,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self._cache = cache
        self._asked = asked
        self._kept = kept
        self._changes = changes
        self._clock = clock
        self._wall_ms = wall_ms
        self._closed_ms: dict[int, int] = {}
        self.loaded = 0
        """Blocks that were asked for here."""

    async def run(self) -> None:
        """Warm for ever."""
        while not self._changes.known().current:  # noqa: ASYNC110 # the feed wakes nobody
            await asyncio.sleep(CHECK_S)
        self.closed()
        for shape, blocks in filter(None, map(unpacked, await self._kept.load())):
            await self._warm(shape, self._newest(shape.tier_ms, blocks))
        saved_s = self._clock()
        while True:
            await asyncio.sleep(CHECK_S)
            await self.look_after(self.closed())
            if self._clock() - saved_s >= SAVE_S:
                saved_s = self._clock()
                await self._kept.save([packed(*each) for each in self._asked.most(SHAPES)])

    def closed(self) -> set[int]:
        """The tiers of which a block has closed since the last look."""
        mark_ms = self._changes.known().watermark_ms
        before, self._closed_ms = (
            self._closed_ms,
            {tier_ms: mark_ms - mark_ms % BLOCKS_MS[tier_ms] for tier_ms in TIERS_MS},
        )
        return {tier_ms for tier_ms, end_ms in self._closed_ms.items() if before.get(tier_ms) != end_ms}

    async def look_after(self, tiers: set[int]) -> None:
        """Load the newest closed block of the shapes of these tiers."""
        for shape, _ in self._asked.most(SHAPES) if tiers else ():
            if shape.tier_ms in tiers:
                await self._warm(shape, self._newest(shape.tier_ms, 1))

    def _newest(self, tier_ms: int, blocks: int) -> Iterable[int]:
        end_ms, length_ms = self._closed_ms[tier_ms], BLOCKS_MS[tier_ms]
        return range(end_ms - length_ms, max(-1, end_ms - (blocks + 1) * length_ms), -length_ms)

    async def _warm(self, shape: Shape, starts_ms: Iterable[int]) -> None:
        for start_ms in starts_ms:
            try:
                await self._cache.block(shape.selection, shape.tier_ms, start_ms, self._wall_ms())
            except (Rejected, Unavailable):
                return
            self.loaded += 1
