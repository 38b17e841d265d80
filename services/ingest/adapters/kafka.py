"""Publishes derived points, and dead letters.

One message for each record of the log and partition of points, in the order of offsets; its sequence is the offset.
The law: what a message holds follows from its record and its verdicts, never from where a checkpoint was cut.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from services.ingest.domain.derive import VALUE, series_of
from services.ingest.service import Work
from shared.ledger.entries import DERIVED, Line
from shared.model.point import Points
from shared.runtime.kafka import Message, Sender
from shared.stream import dead_letters
from shared.stream.processor import Cut
from shared.wire import envelope
from shared.wire.events import Event
from shared.wire.series import pack, partition_of, series_id
from shared.wire.topics import METRICS

REMEMBERED_TYPES = 10_000
"""Pairs of tenant and type whose series are kept packed."""

Route: TypeAlias = tuple[int, bytes]
"""Partition of points and packed series."""

Routes: TypeAlias = Callable[[int, str], tuple[Route, ...]]
"""Where the points of an event of this tenant and type go."""


class DerivedTopic:
    """Sends to the topics of points and of dead letters."""

    def __init__(self, sender: Sender, prefix: str = "") -> None:
        self._sender = sender
        self._prefix = prefix
        self._points = prefix + METRICS.name
        self._routes: Routes | None = None

    async def publish(self, cuts: Sequence[Cut[Work[Event]]]) -> None:
        """Derived points and dead letters of these cuts, which are judged. Raises `Unavailable`."""
        if self._routes is None:
            self._routes = routes(await self._sender.partitions(self._points))
        points = [
            Message(self._points, partition, envelope.encode(batch))
            for cut in cuts
            for partition, batch in derived(cut.key.partition, cut.checkpoint.work, self._routes)
        ]
        await self._sender.send([*points, *dead_letters.messages(cuts, self._prefix)])


def routes(partitions: int) -> Routes:
    """The routes into a topic of so many partitions."""

    @lru_cache(maxsize=REMEMBERED_TYPES)
    def found(tenant_id: int, type_: str) -> tuple[Route, ...]:
        packed = map(pack, series_of(tenant_id, type_))
        return tuple((partition_of(series_id(series), partitions), series) for series in packed)

    return found


def derived(source: int, work: Work[Event], route: Routes) -> Iterator[tuple[int, envelope.PointBatch]]:
    """The batches derived from a partition of events, each with its partition of points, by offset."""
    producer = f"ingest:{source}"
    for arrival, new in work.judged():
        for partition, columns in _columns(new, route).items():
            series, points, entries = list(columns.series), columns.points, columns.entries
            yield (
                partition,
                envelope.PointBatch(
                    producer, arrival.offset, arrival.received_at_ms, series, points, [], entries
                ),
            )


class _Columns:
    """The points of one message."""

    __slots__ = ("rows", "series", "slot", "ts_ms")

    def __init__(self) -> None:
        self.rows: Counter[int] = Counter()
        self.series: dict[bytes, int] = {}
        self.slot: list[int] = []
        self.ts_ms: list[int] = []

    @property
    def entries(self) -> list[Line]:
        return [Line(tenant_id, DERIVED, number) for tenant_id, number in self.rows.items()]

    @property
    def points(self) -> Points:
        value = np.full(len(self.slot), VALUE)
        return Points(np.array(self.slot, np.uint16), np.array(self.ts_ms, np.int64), value)


def _columns(events: Sequence[Event], route: Routes) -> dict[int, _Columns]:
    found: dict[int, _Columns] = {}
    for event in events:
        for partition, packed in route(event.tenant_id, event.type):
            columns = found.get(partition)
            if columns is None:
                columns = found[partition] = _Columns()
            columns.slot.append(columns.series.setdefault(packed, len(columns.series)))
            columns.ts_ms.append(event.ts_ms)
            columns.rows[event.tenant_id] += 1
    return found
