"""Connects the fold to the pump: decodes records, hands checkpoints to Kafka, Postgres and Redis.

A record that cannot be decoded leaves the fold unchanged. Invariant: from a snapshot and the records after its offset,
a fold reaches the same rows.
"""

from collections.abc import Mapping, Sequence

from services.aggregator.adapters import snapshot
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.work import RollupWork
from services.aggregator.service import Arrival, PartitionFold
from shared.errors import UnknownVersion
from shared.postgres.connections import Connection
from shared.runtime import failpoint
from shared.stream.owned import readable
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.wire import envelope
from shared.wire.series import checked, kind_of, tenant_of
from shared.wire.stored import producers
from shared.wire.versions import OLD


class PointFold:
    """One partition: records in, checkpoints out."""

    def __init__(
        self, key: Key, stored: Stored, whole: Mapping[int, bytes], repeats: Repeats, version: int = OLD
    ) -> None:
        self.key = key
        self._version = version
        self.next_offset = stored.next_offset
        self.state = PartitionFold(
            checked, tenant_of, kind_of, watermark_ms=stored.watermark_ms, repeats=repeats
        )
        self.state.seen = producers.decode(stored.seen)
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
        seen = producers.encode(self.state.seen, self._version)
        work = self.state.checkpoint()
        return Checkpoint(work, self.state.watermark_ms, seen, snapshot.encode(self.key, work, self._version))


class Aggregation:
    """The aggregator's side of the pump."""

    def __init__(
        self, tables: RollupTables, batch_ids: BatchIds, topic: WindowTopic, version: int = OLD
    ) -> None:
        self._version = version
        self._tables = tables
        self._batch_ids = batch_ids
        self._topic = topic

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> Mapping[Key, PointFold | UnknownVersion]:
        """The partitions as their checkpoints left them, but for those that another build has to read."""
        whole = await self._tables.kept(connection, stored)
        ids = await self._batch_ids.kept(connection, stored)

        def restored(key: Key) -> PointFold:
            return PointFold(key, stored[key], whole[key], ids[key].repeats(), self._version)

        found = readable(stored, restored)
        read = {key: whole[key] for key, one in found.items() if not isinstance(one, UnknownVersion)}
        await self._tables.rewrite(connection, read)
        return found

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
