"""The projection of events: each is a row of `event` and a point of value 1 at its own time.

So windows, charts and alerts know events as they know metrics. `events.count` counts them by type, `errors.count` those
that report an error.
"""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO

from services.ingest.projections import event_copy
from services.ingest.projections.derived_points import DerivedPoints
from services.ingest.projections.projection import NewEvents
from shared.model.event import ERROR
from shared.model.series import Series
from shared.postgres.connections import Connection
from shared.postgres.maintenance import Partitioned
from shared.wire.events import Event
from shared.wire.series import pack

EVENTS_COUNT = "events.count"
"""Events by type."""

ERRORS_COUNT = "errors.count"
"""Events that report an error."""

REMEMBERED_TYPES = 10_000
"""Pairs of tenant and type whose series are kept packed."""


class Events:
    """The table `event`, and how many events there are."""

    producer = "ingest"
    maintenance = (Partitioned("event"),)

    def derive(self, events: Sequence[Event]) -> DerivedPoints:
        """A point an event by type, and one more if it reports an error."""
        series: list[bytes] = []
        ts_ms: list[int] = []
        for event in events:
            for packed in _packed(event.tenant_id, event.type):
                series.append(packed)
                ts_ms.append(event.ts_ms)
        return DerivedPoints(series, ts_ms)

    async def save(self, conn: Connection, new: Sequence[NewEvents]) -> None:
        """Copy the events."""
        for stream in event_copy.streams(new):
            await conn.copy_to_table(
                "event", columns=event_copy.COLUMNS, source=BytesIO(stream), format="binary"
            )


def series_of(tenant_id: int, type_: str) -> tuple[Series, ...]:
    """The series in which an event of this type is one point each."""
    counted = Series(tenant_id, EVENTS_COUNT, "delta", "", (("type", type_),))
    if type_ != ERROR:
        return (counted,)
    return (counted, Series(tenant_id, ERRORS_COUNT, "delta", "", ()))


@lru_cache(maxsize=REMEMBERED_TYPES)
def _packed(tenant_id: int, type_: str) -> tuple[bytes, ...]:
    return tuple(map(pack, series_of(tenant_id, type_)))
