"""The cache as questions ask it: what they ask for is noted, so that it can be kept warm.

Milliseconds UTC.
"""

from collections.abc import Mapping

from services.gateway.query.cache.cache import Cache
from services.gateway.query.cache.shapes import AskedShapes, Shape
from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.ports import Loaded
from services.gateway.query.questions.selection import Selection
from services.gateway.query.questions.source import BLOCKS_MS


class CachedBlocks:
    """Blocks of closed rows that are remembered."""

    def __init__(self, cache: Cache, asked: AskedShapes) -> None:
        self._cache = cache
        self._asked = asked

    async def block(
        self, selection: Selection, tier_ms: int, block_start_ms: int, now_ms: int, seen: Mapping[int, int]
    ) -> Grouped:
        """The rows of a block, no older than where the partitions were seen to stand. Raises as the tables do."""
        self._asked.note(Shape(selection, tier_ms), max(1, (now_ms - block_start_ms) // BLOCKS_MS[tier_ms]))
        return await self._cache.block(selection, tier_ms, block_start_ms, now_ms, seen)

    async def tail(
        self, selection: Selection, from_ms: int, to_ms: int, now_ms: int, seen: Mapping[int, int]
    ) -> Loaded:
        """Rows of 10 s of a range within a block that has not closed everywhere; else as `block`."""
        return await self._cache.tail(selection, from_ms, to_ms, now_ms, seen)
