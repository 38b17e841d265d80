"""A process that goes on where another one's checkpoint stands: through the bytes of its snapshot, and stored rows."""

from dataclasses import replace

import numpy as np

from services.aggregator.adapters import snapshot
from services.aggregator.adapters import totals as wire
from services.aggregator.domain.partition_series import UNSTORED, SeriesNames
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept, RunningTotals
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import PartitionFold
from shared.stream.processor import Key
from shared.wire.versions import NEW
from tests.support.memory_tables import MemoryTables


def restarted(
    fold: PartitionFold, work: RollupWork, tables: MemoryTables, names: SeriesNames = UNSTORED
) -> PartitionFold:
    """The successor of a fold whose last checkpoint was `work`, which is in the tables."""
    successor = PartitionFold(
        bytes, len, kind_of, names, watermark_ms=fold.watermark_ms, seen=dict(fold.seen)
    )
    key = Key("points", 0)
    packed = snapshot.encode(key, work, NEW)
    opened = snapshot.decode(key, packed) if packed else snapshot.NOTHING
    successor.restore(opened.open, tables.whole, opened.amended)
    if opened.totals is not None:
        successor.recall(tables.totals, *opened.totals)
    return successor


def kind_of(packed: bytes) -> str:
    """The kind of a series of these tests, which the first half of its first byte says."""
    return {6: "cumulative", 7: "histogram"}.get(packed[0] >> 4, "gauge")


def restarted_totals(stored: Kept | None, whole: Totals, slots: int, version: int = NEW) -> RunningTotals:
    """The successor of the running totals of so many slots, from their bytes of this version."""
    if stored is None:
        return RunningTotals()
    names = [slot.to_bytes(2, "big") for slot in range(slots)]
    series, found = wire.unpacked(wire.packed(names, stored, version))
    number = np.array([int.from_bytes(name, "big") for name in series])
    successor = RunningTotals()
    successor.restore(
        wire.unpacked_whole(wire.packed_whole(whole)),
        replace(found, of_stream=found.of_stream | {"slot": number[found.of_stream["slot"]]}),
    )
    return successor
