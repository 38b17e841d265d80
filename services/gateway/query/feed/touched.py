"""Which blocks the log has changed, and up to which offset of each partition. Pure.

Invariant: what was noted of a block is never answered with a lower offset; what had to be forgotten counts for every
block from then on, as the floor of its partition.
"""

from collections.abc import Mapping
from typing import TypeAlias

from cachetools import FIFOCache

from services.gateway.query.feed.readings import Block
from shared.model.bound import Bound

Offsets: TypeAlias = dict[int, int]
"""By partition."""

MAX_BLOCKS = 50_000
"""Blocks whose changes are known."""


class Touched(FIFOCache[Block, Offsets]):
    """For each block the highest offset of a message with rows of it, by partition."""

    def __init__(self, maxsize: int = MAX_BLOCKS) -> None:
        super().__init__(maxsize)
        self.floor: Offsets = {}
        """By partition, the highest offset that was forgotten."""
        self.evicted = 0
        """Blocks that were forgotten."""

    def note(self, block: Block, partition: int, offset: int) -> None:
        """A message up to this offset of a partition has rows of the block."""
        known = self.pop(block, None) or {}
        known[partition] = max(offset, known.get(partition, offset))
        self[block] = known

    def popitem(self) -> tuple[Block, Offsets]:
        """Forget the block that was noted longest ago."""
        block, offsets = super().popitem()
        for partition, offset in offsets.items():
            self.floor[partition] = max(offset, self.floor.get(partition, offset))
        self.evicted += 1
        return block, offsets

    def of(self, block: Block) -> Mapping[int, int]:
        """The highest offset, by partition, at which the block may have been changed; none: not since the start."""
        known = self.get(block)
        if not known:
            return self.floor
        return {
            partition: max(known.get(partition, -1), self.floor.get(partition, -1))
            for partition in known.keys() | self.floor.keys()
        }

    def bound(self) -> Bound:
        """How many blocks there are."""
        return Bound("touched_blocks", "entries", int(self.maxsize), lambda: len(self), lambda: self.evicted)
