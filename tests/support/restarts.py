"""A process that goes on where another one's checkpoint stands: through the bytes of its snapshot, and stored rows."""

from services.aggregator.adapters import snapshot
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import PartitionFold
from shared.stream.processor import Key
from tests.support.memory_tables import MemoryTables


def restarted(fold: PartitionFold, work: RollupWork, tables: MemoryTables) -> PartitionFold:
    """The successor of a fold whose last checkpoint was `work`, which is in the tables."""
    successor = PartitionFold(bytes, len, kind_of, watermark_ms=fold.watermark_ms, seen=dict(fold.seen))
    key = Key("points", 0)
    packed = snapshot.encode(key, work)
    opened = snapshot.decode(key, packed) if packed else snapshot.NOTHING
    successor.restore(opened.open, tables.whole, opened.amended)
    if opened.totals is not None:
        successor.recall(tables.totals, *opened.totals)
    return successor


def kind_of(packed: bytes) -> str:
    """The kind of a series of these tests, which the first half of its first byte says."""
    return {6: "cumulative", 7: "histogram"}.get(packed[0] >> 4, "gauge")
