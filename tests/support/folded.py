"""Points that the aggregator's fold has written to the tables, with open windows published, and no topic of points."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.aggregator.adapters.groups import GroupTables
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.domain.partition_series import SeriesNames
from services.aggregator.ports import LiveWindow
from services.aggregator.service import Arrival, PartitionFold
from shared.model.point import Points
from shared.model.window import TIERS_MS
from shared.postgres import connections
from shared.prepared.grouping import SeriesGroups
from shared.prepared.label_sets import NO_SETS, LabelSets, text_of
from shared.runtime.clock import now_ms
from shared.runtime.kafka import Sender
from shared.stream.processor import Key
from shared.wire.series import checked, kind_of, pack, series_id, tenant_of
from shared.wire.versions import NEW
from tests.support.points import Dot

STEP_MS = 30_000
"""Event time of one message."""

_STANDS = """
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, watermark_ms, seen)
VALUES ($1, $2, 1, 'test', $3, $4, '') ON CONFLICT (topic, partition) DO UPDATE SET
    next_offset = excluded.next_offset, watermark_ms = excluded.watermark_ms
"""

_FORGOTTEN = "DELETE FROM prepared_group WHERE topic = $1 AND partition = $2"
_KEPT = "INSERT INTO prepared_group VALUES ($1, $2, $3, $4, $5, '-infinity', 1)"


@dataclass
class FoldedPartition:
    """One partition of a topic of points."""

    pool: connections.Pool
    topic: str
    partition: int
    sets: LabelSets = NO_SETS
    """By which labels groups are prepared."""
    fold: PartitionFold = field(
        default_factory=lambda: PartitionFold(checked, tenant_of, kind_of, SeriesNames(series_id))
    )
    _index: SeriesGroups | None = None
    messages: int = field(default_factory=now_ms)
    """Grows from one test to the next, as an offset does."""

    async def fold_in_time(self, dots: Sequence[Dot], until_ms: int) -> None:
        """Fold points in the order of their times, each message as if it came at its last point, and commit."""
        ordered = sorted(dots, key=lambda dot: dot.ts_ms)
        for _, message in _by_step(ordered):
            self._fold(message, message[-1].ts_ms)
        self._fold([], until_ms)
        await self.commit()

    async def fold_late(self, dots: Sequence[Dot], at_ms: int) -> None:
        """Fold points that come at this time, in one message, and commit."""
        self._fold(dots, at_ms)
        await self.commit()

    def _fold(self, dots: Sequence[Dot], at_ms: int) -> None:
        self.messages += 1
        packed = [pack(dot.series) for dot in dots]
        names = sorted(set(packed))
        points = Points(
            np.array([names.index(name) for name in packed], np.uint16),
            np.array([dot.ts_ms for dot in dots], np.int64),
            np.array([dot.value for dot in dots], np.float64),
        )
        self.fold.fold(Arrival("test", self.messages, at_ms, names), points)

    async def commit(self) -> None:
        """Write what was gathered, and where the partition stands."""
        work, key = self.fold.checkpoint(), Key(self.topic, self.partition)
        groups = GroupTables(self.sets, NEW)
        self._index = self._index or groups.index()
        if self._index is not None:
            work.grouping = self._index.of(work.series)
        async with connections.connection(self.pool) as conn, conn.transaction():
            await conn.execute(_STANDS, self.topic, self.partition, self.messages, self.fold.watermark_ms)
            await conn.execute(_FORGOTTEN, self.topic, self.partition)
            for tier in TIERS_MS:
                for pattern, label_set in self.sets.pairs():
                    await conn.execute(_KEPT, *key, tier, pattern, text_of(label_set))
            await RollupTables(NEW, groups=groups).save(conn, {key: work})

    async def show(self, kafka: str, prefix: str) -> None:
        """Publish the open windows that have changed."""
        mark_ms = self.fold.watermark_ms or 0
        windows = [
            LiveWindow(self.partition, start, self.messages, mark_ms, self.fold.series, rows)
            for start, rows in self.fold.live()
        ]
        sender = Sender(kafka, "test")
        try:
            await WindowTopic(sender, prefix, NEW).show(windows)
        finally:
            await sender.close()


def _by_step(dots: Sequence[Dot]) -> list[tuple[int, list[Dot]]]:
    found: dict[int, list[Dot]] = {}
    for dot in dots:
        found.setdefault(dot.ts_ms // STEP_MS, []).append(dot)
    return list(found.items())
