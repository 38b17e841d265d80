"""Rows of a selection from where they are: closed blocks, what has closed since, and live windows. Milliseconds UTC.

A window of a tier that has not closed in every partition is made of finer rows, down to windows of 10 s, and these of
the rows in the tables and of live windows. Live ones are read first: a window that closes in between is then found in
the tables. Invariant: each window of each partition is taken once, from the tables where they have it.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from cachetools import TTLCache

from services.gateway.query.questions.grouped import Gathered, Grouped, Part, Piece, grouped
from services.gateway.query.questions.ports import (
    READING,
    KnownBlocks,
    LivePart,
    LiveParts,
    LiveWindows,
    Loaded,
    Standing,
    Tables,
)
from services.gateway.query.questions.question import Refused
from services.gateway.query.questions.selection import Selection
from shared.errors import Unavailable, UnknownVersion
from shared.model.window import BASE_MS, TIERS_MS
from shared.runtime.clock import now_ms

BLOCKS_MS = dict(zip(TIERS_MS, (900_000, 3600 * 1000, 24 * 3600 * 1000), strict=True))
"""Length of the blocks of each tier that are loaded at a time."""

AT_ONCE = 2
"""Blocks that are loaded at a time: one is read while the other is put together."""

MAX_LARGE, LARGE_S = 1_000, 60.0
"""Selections of which it is remembered, and for so many seconds, that their blocks are too large."""


class WindowSource:
    """A source over closed rows and live windows.

    Blocks that are too large to be known whole are read as far as they are asked for, each time.
    """

    def __init__(
        self, blocks: KnownBlocks, tables: Tables, live: LiveWindows, clock: Callable[[], int] = now_ms
    ) -> None:
        self._blocks = blocks
        self._tables = tables
        self._live = live
        self._clock = clock
        self._large: TTLCache[tuple[Selection, int], bool] = TTLCache(MAX_LARGE, LARGE_S)

    async def complete_until_ms(self) -> int:
        """Windows that end at or before this are closed in every partition."""
        return closed_until_ms(await self._tables.standing())

    async def rows(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Grouped:
        """Rows of the windows that start in [from, to). Raises `Refused` where this costs too much, `Unavailable`."""
        return (await self.gathered(selection, from_ms, to_ms, tier_ms, live=live)).rows()

    async def gathered(
        self, selection: Selection, from_ms: int, to_ms: int, tier_ms: int, *, live: bool
    ) -> Gathered:
        """The same, not put together yet; raises as `rows` does."""
        parts = await self._live_parts(selection, from_ms, to_ms) if live else LiveParts([])
        standing = await self._tables.standing()
        mark_ms = closed_until_ms(standing)
        pieces, begin_ms = list[Piece](), from_ms
        for tier in reversed([tier for tier in TIERS_MS if tier <= tier_ms]):
            end_ms = min(to_ms, mark_ms - mark_ms % tier)
            if begin_ms < end_ms:
                pieces += await self._closed(selection, tier, (begin_ms, end_ms), standing)
                begin_ms = end_ms
        end_ms = min(to_ms, _latest_ms(standing, parts))
        furthest_ms = max((one.watermark_ms for one in standing.values()), default=0)
        opened = list[_Open]()
        if begin_ms < end_ms and furthest_ms < begin_ms + BASE_MS:
            # No partition has closed any of these windows: the tables have nothing of them.
            opened.append(_Open(selection, parts, standing, begin_ms, end_ms))
        elif begin_ms < end_ms:
            for span in _by_block(begin_ms, end_ms):
                loaded = await self._tail(selection, span, parts, standing)
                pieces.append(Piece(loaded.rows, 0, len(loaded.rows.rollups)))
                opened.append(_Open(selection, parts, loaded.standing, *span))
        state = tuple(one.state() for one in opened) if isinstance(parts, LiveParts) else None
        used = [one for one in pieces if one.first < one.end]
        return Gathered(tier_ms, used, [one.rows for one in opened], state, mark_ms)

    async def _live_parts(self, selection: Selection, from_ms: int, to_ms: int) -> Sequence[LivePart]:
        try:
            return await self._live.live(selection.tenant_id, selection.metric, from_ms, to_ms)
        except (Unavailable, UnknownVersion):
            if (read := READING.get()) is not None:
                read.live_available = False
            return []

    async def _closed(
        self, selection: Selection, tier_ms: int, span: tuple[int, int], standing: Mapping[int, Standing]
    ) -> list[Piece]:
        """The rows of [from, to), block by block."""
        from_ms, to_ms = span
        if (selection, tier_ms) not in self._large:
            block_ms = BLOCKS_MS[tier_ms]
            starts, seen = range(from_ms - from_ms % block_ms, to_ms, block_ms), _offsets(standing)
            try:
                found = list[Grouped]()
                for first in range(0, len(starts), AT_ONCE):
                    found += await asyncio.gather(
                        *(
                            self._blocks.block(selection, tier_ms, start, self._clock(), seen)
                            for start in starts[first : first + AT_ONCE]
                        )
                    )
                return [_piece(block, from_ms, to_ms) for block in found]
            except Refused:
                self._large[selection, tier_ms] = True
        return [_piece((await self._tables.load(selection, tier_ms, from_ms, to_ms)).rows, from_ms, to_ms)]

    async def _tail(
        self,
        selection: Selection,
        span: tuple[int, int],
        parts: Sequence[LivePart],
        standing: Mapping[int, Standing],
    ) -> Loaded:
        """Windows of 10 s that have closed in some partitions.

        Beside live windows that are not the log's only rows will do that were read after them.
        """
        if isinstance(parts, LiveParts) and (selection, BASE_MS) not in self._large:
            try:
                return await self._blocks.tail(selection, *span, self._clock(), _offsets(standing))
            except Refused:
                self._large[selection, BASE_MS] = True
        return await self._tables.load(selection, BASE_MS, *span)


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """Live windows of a range, of which the tables had some, with what they are as of."""

    selection: Selection
    parts: Sequence[LivePart]
    standing: Mapping[int, Standing]
    from_ms: int
    to_ms: int

    def rows(self) -> Grouped:
        """Those that the tables did not have."""
        return grouped(self.selection, self._not_closed(), BASE_MS)

    def _not_closed(self) -> Iterable[Part]:
        for one in self.parts:
            start_ms = one.part.rollups.start_ms
            mark_ms = self.standing[one.partition].watermark_ms if one.partition in self.standing else 0
            rows = np.flatnonzero(
                (start_ms + BASE_MS > mark_ms) & (start_ms >= self.from_ms) & (start_ms < self.to_ms)
            )
            yield Part(one.part.owners, one.part.rollups.take(rows))

    def state(self) -> Hashable:
        """Equal where the rows are equal."""
        if not isinstance(self.parts, LiveParts) or not self.parts:
            return ()
        marks = tuple(sorted((at, one.watermark_ms) for at, one in self.standing.items()))
        return self.parts.state, marks, self.from_ms, self.to_ms


def closed_until_ms(standing: Mapping[int, Standing]) -> int:
    """The lowest watermark."""
    return min((one.watermark_ms for one in standing.values()), default=0)


def _offsets(standing: Mapping[int, Standing]) -> dict[int, int]:
    return {partition: one.next_offset for partition, one in standing.items()}


def _by_block(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """A range of windows of 10 s, cut where their blocks begin."""
    block_ms = BLOCKS_MS[BASE_MS]
    edges = [from_ms, *range(from_ms - from_ms % block_ms + block_ms, to_ms, block_ms), to_ms]
    return pairwise(edges)


def _piece(found: Grouped, from_ms: int, to_ms: int) -> Piece:
    """The rows of the windows that start in [from, to)."""
    first, end = np.searchsorted(found.rollups.start_ms, (from_ms, to_ms)).tolist()
    return Piece(found, first, end)


def _latest_ms(standing: Mapping[int, Standing], parts: Sequence[LivePart]) -> int:
    """Before this all windows start that anybody knows of."""
    marks = [one.watermark_ms for one in standing.values()]
    return max(*marks, *(int(one.part.rollups.start_ms.max(initial=0)) + 1 for one in parts), 0, 0)
