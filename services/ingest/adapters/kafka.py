"""Publishes derived points, and dead letters.

Each record of the log, projection and partition of points makes one message, in the order of offsets; its sequence
number is the offset.

Invariant: what a message holds follows from its record and its verdicts, never from where a checkpoint was cut.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from services.ingest.projections.derived_points import DerivedPoints
from services.ingest.projections.projection import Projection
from services.ingest.service import Arrival, EventWork
from shared.ledger.entries import DERIVED, Line
from shared.runtime.kafka import Message, Sender
from shared.stream import dead_letters
from shared.stream.processor import Cut
from shared.wire import envelope
from shared.wire.events import MAX_EVENTS, Event
from shared.wire.series import SeriesId, partition_of, series_id, tenant_of
from shared.wire.topics import METRICS
from shared.wire.versions import OLD

REMEMBERED_SERIES = 10_000
"""Number of series whose partition is cached."""

POINTS_OF_AN_EVENT = envelope.MAX_ROWS // MAX_EVENTS
"""Most points of one projection and event: so the points of the largest record fit into one message."""

PartitionOf: TypeAlias = Callable[[bytes], int]
"""The partition of points that owns a packed series."""


class DerivedTopic:
    """Sends to the topics of points and of dead letters."""

    def __init__(
        self,
        sender: Sender,
        projections: Sequence[Projection],
        prefix: str = "",
        version: int = OLD,
        id_of: SeriesId = series_id,
    ) -> None:
        self._id_of = id_of
        self._sender = sender
        self._projections = projections
        self._version = version
        self._prefix = prefix
        self._points = prefix + METRICS.name
        self._partition_of: PartitionOf | None = None

    async def publish(self, cuts: Sequence[Cut[EventWork[Event]]]) -> None:
        """Publish derived points and dead letters of these cuts, which are judged. Raises `Unavailable`."""
        if self._partition_of is None:
            self._partition_of = partitions_of(await self._sender.partitions(self._points), self._id_of)
        points = [
            Message(self._points, partition, envelope.encode(batch, self._version))
            for cut in cuts
            for partition, batch in derived(
                cut.key.partition, cut.checkpoint.work, self._projections, self._partition_of
            )
        ]
        await self._sender.send([*points, *dead_letters.messages(cuts, self._prefix, self._version)])


def partitions_of(partitions: int, id_of: SeriesId = series_id) -> PartitionOf:
    """Where series with these ids go in a topic of so many partitions."""

    @lru_cache(maxsize=REMEMBERED_SERIES)
    def found(packed: bytes) -> int:
        return partition_of(id_of(packed), partitions)

    return found


def derived(
    source: int, work: EventWork[Event], projections: Sequence[Projection], partition_of: PartitionOf
) -> Iterator[tuple[int, envelope.PointBatch]]:
    """The batches derived from a partition of events, each with its partition of points, by offset."""
    for arrival, new in work.judged():
        for projection in projections:
            points = projection.derive(new)
            if points is None:
                continue
            if len(points) > POINTS_OF_AN_EVENT * len(new):
                raise ValueError(
                    f"{projection.producer} derives more than {POINTS_OF_AN_EVENT} points an event"
                )
            yield from _batches(f"{projection.producer}:{source}", arrival, points, partition_of)


def _batches(
    producer: str, arrival: Arrival[Event], points: DerivedPoints, partition_of: PartitionOf
) -> Iterator[tuple[int, envelope.PointBatch]]:
    for partition, part in _by_partition(points, partition_of).items():
        series, columns = list(part.series), points.points(part.slot, part.rows)
        yield (
            partition,
            envelope.PointBatch(
                producer,
                arrival.offset,
                arrival.appended_at_ms,
                series,
                columns,
                [],
                _entries(series, part.slot),
            ),
        )


class _PartitionRows:
    """Which rows go to one partition, and where their series stand."""

    __slots__ = ("rows", "series", "slot")

    def __init__(self) -> None:
        self.series: dict[bytes, int] = {}
        self.slot: list[int] = []
        self.rows: list[int] = []


def _by_partition(points: DerivedPoints, partition_of: PartitionOf) -> dict[int, _PartitionRows]:
    found: dict[int, _PartitionRows] = {}
    for row, packed in enumerate(points.series):
        part = found.get(partition := partition_of(packed))
        if part is None:
            part = found[partition] = _PartitionRows()
        series = part.series
        part.slot.append(series.setdefault(packed, len(series)))
        part.rows.append(row)
    return found


def _entries(series: Sequence[bytes], slot: Sequence[int]) -> list[Line]:
    """What the ledger is told of a message: so many rows of each tenant were derived."""
    tenants = [tenant_of(packed) for packed in series]
    if tenants.count(tenants[0]) == len(tenants):
        return [Line(tenants[0], DERIVED, len(slot))]
    rows = Counter([tenants[at] for at in slot])
    return [Line(tenant_id, DERIVED, number) for tenant_id, number in rows.items()]
