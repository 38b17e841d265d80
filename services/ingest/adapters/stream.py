"""Connects the intake to the pump: decodes records, hands checkpoints to Kafka and Postgres.

Ids, events and the offset after them are committed together; points are published just before, by the offset of their
record.

Invariant: what is published for an offset is always the same; the aggregator takes the first (decision 0011).
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from services.ingest.adapters.kafka import DerivedTopic
from services.ingest.adapters.postgres import EventIds, EventTables
from services.ingest.service import Arrival, EventWork, PartitionIntake, judge
from shared.errors import Rejected, UnknownVersion
from shared.postgres.connections import Connection
from shared.stream.processor import UNSUPPORTED_VERSION, Checkpoint, Cut, Key, Record, Stored
from shared.wire import events
from shared.wire.events import Event
from shared.wire.ledger_entries import read

EVENT_BYTES = 8192
"""What an event weighs in the pump's account besides its text: memory, and more than that Postgres' time. At the pump's
limit a commit has some 8,000 events and takes about a second; larger ones save no CPU."""

EventCut: TypeAlias = Cut[EventWork[Event]]


class EventFold:
    """One partition: records in, checkpoints out."""

    def __init__(self) -> None:
        self._intake: PartitionIntake[Event] = PartitionIntake()

    @property
    def urgent(self) -> bool:
        """Whether anything waits: an event is shown when it is committed."""
        return bool(self._intake.arrivals)

    @property
    def waiting_bytes(self) -> int:
        """Memory that only a commit frees."""
        return self._intake.waiting_bytes

    def fold(self, record: Record) -> None:
        """Decode and gather one record."""
        try:
            batch = events.decode(record.value, record.appended_at_ms)
        except UnknownVersion as unknown:
            # Other producers of the partition do not wait for the build that reads this one.
            raise Rejected(UNSUPPORTED_VERSION, str(unknown)) from unknown
        entries = read(batch.entries)
        arrival = Arrival(record.offset, record.appended_at_ms, batch.events, entries, batch.refused)
        self._intake.take(arrival, len(record.value or b"") + EVENT_BYTES * len(batch.events))

    def pass_over(self, record: Record) -> None:
        """Nothing: no state depends on which records were folded."""

    def pass_gap(self) -> None:
        """Nothing, for the same reason."""

    def checkpoint(self) -> Checkpoint[EventWork[Event]]:
        """What was gathered; nothing else is needed to go on from its end."""
        return Checkpoint(self._intake.checkpoint(), watermark_ms=None, seen=b"", snapshot=None)


class Ingestion:
    """Ingest's side of the pump."""

    def __init__(self, tables: EventTables, topic: DerivedTopic) -> None:
        self._tables = tables
        self._topic = topic

    async def restore(self, connection: Connection, stored: Mapping[Key, Stored]) -> dict[Key, EventFold]:
        """Partitions without state: all of it is in the tables."""
        return {key: EventFold() for key in stored}

    async def save(self, connection: Connection, cuts: Sequence[EventCut]) -> None:
        """Judge what is new, then write ids, the rows of the projections and the ledger."""
        works = [cut.checkpoint.work for cut in cuts]
        await judge(works, EventIds(connection))
        await self._tables.save(connection, {cut.key: cut.checkpoint.work for cut in cuts})

    async def publish(self, cuts: Sequence[EventCut]) -> None:
        """Publish what is derived from what is new, and dead letters."""
        await self._topic.publish(cuts)

    async def settled(self, cuts: Sequence[EventCut]) -> None:
        """Nothing to refresh: readers look into the tables."""
