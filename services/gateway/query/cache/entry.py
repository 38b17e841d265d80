"""A block that was loaded, what is known of when, and whether it still is what the tables hold.

Times are milliseconds UTC of the broker where they are the log's, and seconds of a clock that only grows where they are
this process's. Pure. Invariant: an entry that is valid holds everything that was committed more than a second ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import blake2b

import msgspec

from services.gateway.query.questions.grouped import Grouped
from services.gateway.query.questions.ports import Standing
from services.gateway.query.questions.selection import Selection, shape_of
from services.gateway.query.questions.source import BLOCKS_MS
from shared.model.rollup import Rollups
from shared.model.window import MAX_POINT_AGE_MS, TIERS_MS
from shared.wire.topics import RETENTION_MS

FRESH_S = 1.0
"""So long an entry is good whatever is known of the log: no answer is further behind a commit."""

SETTLED_MS = MAX_POINT_AGE_MS + RETENTION_MS
"""So far behind the log nothing changes any more: points that are late by more are refused, whenever they are read."""

LONG_AGO = float("-inf")
"""When a load began that another process has made."""

KINDS = dict(zip(TIERS_MS, ("10s", "1m", "15m"), strict=True))
"""What the blocks of each tier are called in statistics."""

_GROUP_BYTES = 300


@dataclass(frozen=True, slots=True)
class Block:
    """What is kept: windows of one tier of a selection."""

    selection: Selection
    tier_ms: int
    start_ms: int
    cut_ms: int = 0
    """Where a part of a block ends; 0: it is whole."""

    @property
    def is_whole(self) -> bool:
        """Whether it is a block and not a part of one, as far as some partitions have closed it."""
        return not self.cut_ms

    @property
    def end_ms(self) -> int:
        """Where the next block begins, or this part ends."""
        return self.cut_ms or self.start_ms + BLOCKS_MS[self.tier_ms]

    def key(self, salt: str) -> bytes:
        """Its name in the caches; another salt is another name, and so is another length: builds may differ in it."""
        one = self.selection
        said = (
            one.tenant_id,
            salt,
            *shape_of(one)[1:],
            self.tier_ms,
            self.start_ms,
            self.cut_ms,
            self.end_ms,
        )
        return blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


@dataclass(slots=True, eq=False)
class Entry:
    """The rows of a block."""

    rows: Grouped
    as_of: Mapping[int, int]
    """By partition of the points, the offset below which everything is in the rows."""
    log_ms: int
    """Where the log stood before they were read, or later."""
    began_s: float = LONG_AGO
    """When the load began."""
    until_s: float = 0.0
    """When it is forgotten, unless it was renewed."""
    tenant_id: int = 0
    size: int = 0
    """About how many bytes it takes."""
    standing: Mapping[int, Standing] = field(default_factory=dict)
    """Where the partitions stood when they were read; of what another process has read nobody knows it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the log."""

    current: bool
    """All changes are known that were published more than a second ago."""
    log_ms: int
    """The latest time at which a record was appended that was read."""
    ended: Mapping[int, int]
    """By partition, the highest offset up to which all rows have been read."""
    watermark_ms: int
    """Windows that end at or before this have closed, in all partitions that say anything."""


def size_of(rows: Grouped) -> int:
    """About how many bytes grouped rows take."""
    columns: int = sum(getattr(rows.rollups, column.name).nbytes for column in fields(Rollups))
    return columns + _GROUP_BYTES * (1 + len(rows.groups))


def has_all(entry: Entry, touched: Mapping[int, int]) -> bool:
    """Whether nothing was published that is not in the rows."""
    return all(offset <= entry.as_of.get(partition, -1) for partition, offset in touched.items())


def is_behind(entry: Entry, seen: Mapping[int, int], ended: Mapping[int, int]) -> bool:
    """Whether the tables were seen further on than both the rows and the log are known to be."""
    return any(
        entry.as_of.get(partition, -1) < offset > ended.get(partition, -1)
        for partition, offset in seen.items()
    )


def renewed(entry: Entry, known: Known) -> None:
    """A valid entry holds everything up to where the log was read."""
    entry.as_of = {
        partition: max(offset, known.ended.get(partition, -1)) for partition, offset in entry.as_of.items()
    }
    entry.log_ms = max(entry.log_ms, known.log_ms)
