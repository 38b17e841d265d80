"""Drives the fold from the pump: decodes records, hands checkpoints to Kafka, Postgres and Redis.

The law: a record that cannot be decoded leaves the fold untouched, and a snapshot holds all that is needed to go on
from its offset.
"""

from collections.abc import Mapping, Sequence

import msgspec

from services.aggregator.adapters import snapshot
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import Arrival, PartitionFold
from shared.postgres.connections import Connection
from shared.runtime import failpoint
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import checked, kind_of, tenant_of

_seen = msgspec.msgpack.Decoder(dict[str, tuple[int, int]])


class PointFold:
    """One partition: records in, checkpoints out."""

    def __init__(self, key: Key, stored: Stored, whole: Mapping[int, bytes], repeats: Repeats) -> None:
        self.key = key
        self.next_offset = stored.next_offset
        self.state = PartitionFold(
            checked, tenant_of, kind_of, watermark_ms=stored.watermark_ms, repeats=repeats
        )
        self.state.seen = _seen.decode(stored.seen) if stored.seen else {}
        opened = snapshot.decode(key, stored.snapshot) if stored.snapshot else snapshot.NOTHING
        kept = snapshot.opened(key, whole)
        self.state.restore(opened.open, kept.windows, opened.amended)
        if opened.totals is not None:
            self.state.recall(kept.totals, *opened.totals)

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
        failpoint.hit("decoded")
        arrival = Arrival(
            batch.producer, batch.seq, batch.received_at_ms, batch.series, batch.entries, batch.batches
        )
        self.state.fold(arrival, batch.points)
        self.next_offset = record.offset + 1

    def checkpoint(self) -> Checkpoint[RollupWork]:
        """What was gathered, with the open windows as snapshot."""
        seen = msgspec.msgpack.encode(self.state.seen)
        work = self.state.checkpoint()
        return Checkpoint(work, self.state.watermark_ms, seen, snapshot.encode(self.key, work))


class Aggregation:
    """The aggregator's side of the pump."""

    def __init__(self, tables: RollupTables, batch_ids: BatchIds, topic: WindowTopic) -> None:
        self._tables = tables
        self._batch_ids = batch_ids
        self._topic = topic

    async def restore(self, connection: Connection, stored: Mapping[Key, Stored]) -> dict[Key, PointFold]:
        """The partitions as their checkpoints left them."""
        whole = await self._tables.kept(connection, stored)
        repeats = await self._batch_ids.restore(connection, stored)
        return {key: PointFold(key, at, whole[key], repeats[key]) for key, at in stored.items()}

    async def save(self, connection: Connection, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Write series, rollups, the ledger and the ids of batches."""
        await self._tables.save(connection, {cut.key: cut.checkpoint.work for cut in cuts})
        await self._batch_ids.save(
            connection, {cut.key: (cut.end, cut.checkpoint.work.batches) for cut in cuts}
        )

    async def publish(self, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Publish closed and revised rows, ticks and dead letters."""
        await self._topic.publish(cuts)

    async def settled(self, cuts: Sequence[Cut[RollupWork]]) -> None:
        """Nothing to refresh: a row in Postgres wins over the live window, which expires by itself."""
