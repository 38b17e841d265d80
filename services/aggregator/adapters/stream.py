"""Drives the fold from the pump: decodes records, hands checkpoints to Kafka, Postgres and Redis.

The law: a record that cannot be decoded leaves the fold untouched, and a snapshot holds all that is needed to go on
from its offset.
"""

from collections.abc import Mapping, Sequence

import cramjam
import msgspec

from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.service import Arrival, PartitionFold, Work, compact
from shared.errors import Misconfigured, Rejected
from shared.runtime.postgres import Connection
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.wire import envelope, rollups
from shared.wire.series import checked

_seen = msgspec.msgpack.Decoder(dict[str, tuple[int, int]])
_LEVEL = 1


class PartitionStream:
    """One partition: records in, checkpoints out."""

    def __init__(self, key: Key, stored: Stored) -> None:
        self.key = key
        self.next_offset = stored.next_offset
        self.state = PartitionFold(checked, watermark_ms=stored.watermark_ms)
        self.state.seen = _seen.decode(stored.seen) if stored.seen else {}
        if stored.snapshot is not None:
            opened = _opened(key, stored.snapshot)
            self.state.restore(opened.series, opened.rollups)

    @property
    def urgent(self) -> bool:
        """Whether a window has closed or a series is new."""
        return self.state.urgent

    @property
    def waiting_bytes(self) -> int:
        """Memory that only a commit frees."""
        return self.state.waiting_bytes

    def fold(self, record: Record) -> None:
        """Decode and fold one record."""
        batch = envelope.decode(record.value, record.appended_at_ms)
        arrival = Arrival(batch.producer, batch.seq, batch.received_at_ms, batch.series)
        self.state.fold(arrival, batch.points)
        self.next_offset = record.offset + 1

    def checkpoint(self) -> Checkpoint[Work]:
        """What was gathered, with the open windows as snapshot."""
        seen = msgspec.msgpack.encode(self.state.seen)
        watermark_ms, next_offset = self.state.watermark_ms, self.next_offset
        work = self.state.checkpoint()
        return Checkpoint(work, watermark_ms, seen, _snapshot(self.key, work, next_offset, watermark_ms))


def _snapshot(key: Key, work: Work, next_offset: int, watermark_ms: int | None) -> bytes | None:
    if work.open is None:
        return None
    windows = rollups.Windows(
        key.partition, False, next_offset, watermark_ms or 0, *compact(work.series, work.open)
    )
    return bytes(cramjam.zstd.compress(rollups.encode(windows), level=_LEVEL))


def _opened(key: Key, snapshot: bytes) -> rollups.Windows:
    try:
        return rollups.decode(bytes(cramjam.zstd.decompress(snapshot)))
    except (cramjam.DecompressionError, Rejected) as error:
        raise Misconfigured(
            f"the snapshot of {key.topic}[{key.partition}] cannot be read ({error}). Run the version that wrote "
            "it until its windows have closed, then this one"
        ) from error


class Aggregation:
    """The aggregator's side of the pump."""

    def __init__(self, tables: RollupTables, topic: WindowTopic) -> None:
        self._tables = tables
        self._topic = topic

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> dict[Key, PartitionStream]:
        """The partitions as their checkpoints left them."""
        return {key: PartitionStream(key, at) for key, at in stored.items()}

    async def save(self, connection: Connection, cuts: Sequence[Cut[Work]]) -> None:
        """Write series and rollups."""
        await self._tables.save(connection, [cut.checkpoint.work for cut in cuts])

    async def publish(self, cuts: Sequence[Cut[Work]]) -> None:
        """Publish closed windows and dead letters."""
        await self._topic.publish(cuts)

    async def settled(self, cuts: Sequence[Cut[Work]]) -> None:
        """Nothing to refresh: a row in Postgres wins over the live window, which expires by itself."""
