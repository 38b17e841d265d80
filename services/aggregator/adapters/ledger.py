"""Checks the ledger: a difference becomes a point like any other, so that an alert rule can page.

Times are milliseconds UTC. While a difference lasts, a point is published every few seconds, so that no window in
between looks clear. When all minutes close again, points of 0 say so until the next check: silence is no recovery.
The value is the sum of the differences of all minutes;
a negative one does not cancel a positive one.
"""

from collections.abc import Mapping

import numpy as np

from shared.ledger.entries import DERIVED, Line
from shared.ledger.queries import differences, topics
from shared.model.point import Points
from shared.model.series import Series
from shared.postgres.connections import Pool, connection
from shared.runtime.kafka import Message, Sender
from shared.wire import envelope
from shared.wire.series import SeriesId, pack, partition_of, series_id
from shared.wire.topics import METRICS
from shared.wire.versions import OLD

METRIC = "tidegauge.ledger.difference"
"""Metric name of the points, in the tenant that the ledger belongs to; label `signal`."""


class LedgerWatch:
    """Checks the last hour of the ledger, and publishes its differences as points."""

    def __init__(
        self,
        pool: Pool,
        sender: Sender,
        owner: str,
        prefix: str = "",
        version: int = OLD,
        *,
        id_of: SeriesId = series_id,
    ) -> None:
        self._pool = pool
        self._sender = sender
        self._version = version
        self._id_of = id_of
        self._producer = f"ledger:{owner}"
        self._points = prefix + METRICS.name
        self._signals = {topic: signal for signal, topic in topics(prefix).items()}
        self._differences: dict[Series, int] = {}

    async def check(self) -> Mapping[Series, int]:
        """The present differences, by the series of their points. Raises `Unavailable`."""
        async with connection(self._pool) as conn:
            rows = await differences(conn, list(self._signals))
        found = {
            Series(tenant_id, METRIC, "gauge", "", (("signal", self._signals[topic]),)): difference
            for tenant_id, topic, difference in rows
        }
        ended = {one: 0 for one, difference in self._differences.items() if difference and one not in found}
        self._differences = found | ended
        return found

    async def publish(self, now_ms: int) -> None:
        """One point for each difference last seen, and for each that has just ended. Raises `Unavailable`."""
        if not self._differences:
            return
        partitions = await self._sender.partitions(self._points)
        messages: list[Message] = []
        for series, difference in self._differences.items():
            packed = pack(series)
            points = Points(np.zeros(1, np.uint16), np.array([now_ms]), np.array([float(difference)]))
            entries = [Line(series.tenant_id, DERIVED, 1)]
            # Numbers rise by the message, for two may go to one partition.
            batch = envelope.PointBatch(
                self._producer, now_ms * 1000 + len(messages), now_ms, [packed], points, [], entries
            )
            partition = partition_of(self._id_of(packed), partitions)
            messages.append(Message(self._points, partition, envelope.encode(batch, self._version)))
        await self._sender.send(messages)
