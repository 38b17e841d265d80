"""Connects the fold to the pump: decodes records, hands checkpoints to Kafka, Postgres and Redis.

A record that cannot be decoded leaves the fold unchanged. Invariant: from a snapshot and the records after its offset,
a fold reaches the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from services.aggregator.adapters import collisions, snapshot
from services.aggregator.adapters.kafka import WindowTopic
from services.aggregator.adapters.postgres import RollupTables
from services.aggregator.adapters.repeats import BatchIds
from services.aggregator.adapters.totals import Recalled
from services.aggregator.domain.partition_series import UNSTORED, SeriesNames
from services.aggregator.domain.refused_series import BadSeries, MessageRows, without
from services.aggregator.domain.repeats import Repeats
from services.aggregator.domain.totals.conversion import without_ids
from services.aggregator.domain.totals.history import Totals
from services.aggregator.domain.totals.increments import Kept
from services.aggregator.domain.work import RollupWork, forget_samples
from services.aggregator.service import Arrival, PartitionFold
from shared.errors import Rejected, UnknownVersion
from shared.model.point import Points
from shared.model.window import DISORDER_MS
from shared.postgres.connections import Connection
from shared.prepared.grouping import SeriesGroups
from shared.runtime import failpoint
from shared.stream.owned import readable
from shared.stream.processor import UNSUPPORTED_VERSION, Checkpoint, Cut, Key, Record, Stored
from shared.wire import envelope, rollups
from shared.wire.series import SeriesId, checked, kind_of, series_id, tenant_in, tenant_of, unpack
from shared.wire.stored import producers
from shared.wire.versions import OLD

MOST_NAMED = 10
"""Series that are named in the log at a checkpoint."""

_log = structlog.get_logger(__name__)


class PointFold:
    """One partition: records in, checkpoints out."""

    def __init__(
        self,
        key: Key,
        stored: Stored,
        whole: Mapping[int, bytes],
        repeats: Repeats,
        version: int = OLD,
        *,
        disorder_ms: int = DISORDER_MS,
        names: SeriesNames = UNSTORED,
        groups: SeriesGroups | None = None,
    ) -> None:
        self.key = key
        self._version = version
        self._groups = groups
        self.next_offset = stored.next_offset
        self.state = PartitionFold(
            checked,
            tenant_of,
            kind_of,
            names,
            watermark_ms=stored.watermark_ms,
            repeats=repeats,
            disorder_ms=disorder_ms,
        )
        self.state.seen = producers.decode(stored.seen)
        opened = snapshot.decode(key, stored.snapshot) if stored.snapshot else snapshot.NOTHING
        kept = snapshot.opened(key, whole)
        self.state.restore(opened.open, kept.windows, opened.amended)
        if opened.totals is not None:
            self.state.recall(*self._recalled(opened.totals, kept.totals))

    def _recalled(self, stored: Recalled, whole: Totals) -> tuple[Totals, list[bytes], Kept]:
        """Running totals as this version has them: version 4 tells no streams of a series apart."""
        if self._version > OLD:
            return whole, stored.series, stored.kept
        kept, whole = without_ids(stored.kept, whole)
        return whole, stored.series, kept

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
        try:
            self._fold(record)
        except Rejected:
            self.pass_over(record)
            raise
        self.next_offset = record.offset + 1

    def pass_over(self, record: Record) -> None:
        """This record became a dead letter, so that its number is not lost."""
        if (address := envelope.address(record.value)) is not None:
            self.state.pass_over(*address, record.appended_at_ms)
        self.next_offset = record.offset + 1

    def pass_gap(self) -> None:
        """Whoever sends next may have any number: what is missing before it is counted by record."""
        self.state.begin_numbers_anew()

    def _fold(self, record: Record) -> None:
        try:
            batch = envelope.decode(record.value, record.appended_at_ms)
        except UnknownVersion as unknown:
            # Other producers of the partition do not wait for the build that reads this one.
            raise Rejected(UNSUPPORTED_VERSION, str(unknown)) from unknown
        failpoint.hit("decoded")
        if self._version == OLD:
            # Its snapshots cannot say what tells streams apart.
            batch.points.stream = None
        arrival = Arrival(
            batch.producer,
            batch.seq,
            record.appended_at_ms,
            batch.series,
            batch.entries,
            batch.batches,
            batch.refused,
        )
        before = self.state.lost
        try:
            self.state.fold(arrival, batch.points)
        except Rejected as refused:
            sound = self._sound(arrival, batch.points, refused)
            self.state.fold(*sound)
        if lost := self.state.lost - before:
            _log.error(
                "messages lost",
                **self.key._asdict(),
                offset=record.offset,
                producer=batch.producer,
                messages=lost,
            )

    def _sound(self, arrival: Arrival, points: Points, refused: Rejected) -> tuple[Arrival, Points]:
        """A refused message without the series that cannot be stored; raise its refusal when that is not the cause."""
        bad = {}
        for slot, packed in enumerate(arrival.series):
            if (code := _refusal(packed)) is not None:
                if (tenant_id := tenant_in(packed)) is None:
                    raise refused
                bad[slot] = BadSeries(tenant_id, code)
        if not bad:
            raise refused
        message = MessageRows(arrival.series, points, arrival.entries, arrival.batches, arrival.refused)
        left = without(message, bad)
        _log.warning("rows refused", **self.key._asdict(), producer=arrival.producer, series=len(bad))
        sound = replace(
            arrival, series=left.series, entries=left.entries, batches=left.batches, refused=left.refused
        )
        return sound, left.points

    def checkpoint(self) -> Checkpoint[RollupWork]:
        """What was gathered, with the open windows as snapshot."""
        seen = producers.encode(self.state.seen, self._version)
        work = self.state.checkpoint()
        if not rollups.carries_samples(self._version):
            forget_samples(work)
        if self._groups is not None:
            work.grouping = self._groups.of(work.series)
        self._warn_of_contested(work.contested)
        return Checkpoint(work, self.state.watermark_ms, seen, snapshot.encode(self.key, work, self._version))

    def _warn_of_contested(self, packed: Sequence[bytes]) -> None:
        """Name series that several writers send; their labels may be personal."""
        for series in map(unpack, packed[:MOST_NAMED]):
            _log.warning(
                "several writers send one series of running totals, which counts nothing: "
                "give each a label or a start",
                **self.key._asdict(),
                tenant_id=series.tenant_id,
                metric=series.metric,
                series=len(packed),
            )


def _refusal(packed: bytes) -> str | None:
    """Why a series cannot be stored; None: it can."""
    try:
        checked(packed)
    except Rejected as refused:
        return refused.code
    return None


class Aggregation:
    """The aggregator's side of the pump."""

    def __init__(
        self,
        tables: RollupTables,
        batch_ids: BatchIds,
        topic: WindowTopic,
        version: int = OLD,
        id_of: SeriesId = series_id,
    ) -> None:
        self._version = version
        self._id_of = id_of
        self._tables = tables
        self._batch_ids = batch_ids
        self._topic = topic

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> Mapping[Key, PointFold | UnknownVersion]:
        """The partitions as their checkpoints left them, but for those that another build has to read."""
        whole = await self._tables.kept(connection, stored)
        ids = await self._batch_ids.kept(connection, stored)
        bounds = await self._tables.disorder_bounds(connection, stored)
        taken = await self._tables.collided(connection)
        await self._tables.groups.begin(connection, stored)

        def restored(key: Key) -> PointFold:
            names = SeriesNames(self._id_of, collisions.overflow_in(key.partition), taken)
            return PointFold(
                key,
                stored[key],
                whole[key],
                ids[key].repeats(),
                self._version,
                disorder_ms=bounds.get(key.topic, DISORDER_MS),
                names=names,
                groups=self._tables.groups.index(),
            )

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
