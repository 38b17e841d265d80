"""A third projection, as anybody would add one: uploads, with rows of their own and points of any value and weight.

An event `upload` says how long it took (`ms`) and how many files it had (`files`): a row of `upload`, and a point of
`uploads.ms` for each file.
"""

from collections.abc import Sequence

import orjson

from services.ingest.projections.derived_points import DerivedPoints
from services.ingest.projections.projection import NewEvents
from shared.model.series import Series
from shared.postgres.connections import Connection
from shared.wire.events import Event
from shared.wire.series import pack

TABLE = "CREATE TABLE IF NOT EXISTS upload (tenant_id bigint, event_id text, ms double precision)"

_INSERT = "INSERT INTO upload SELECT * FROM unnest($1::bigint[], $2::text[], $3::double precision[])"


class Uploads:
    """The table `upload`, and how long uploads took."""

    producer = "ingest.uploads"
    maintenance = ()

    def derive(self, events: Sequence[Event]) -> DerivedPoints | None:
        """A point an upload, as heavy as it has files."""
        points = DerivedPoints()
        for event in uploads(events):
            said = orjson.loads(bytes(event.properties))
            points.add(series_of(event.tenant_id), event.ts_ms, said["ms"], weight=said["files"])
        return points

    async def save(self, conn: Connection, new: Sequence[NewEvents]) -> None:
        """A row an upload."""
        rows = [
            (event.tenant_id, event.event_id, orjson.loads(bytes(event.properties))["ms"])
            for some in new
            for event in uploads(some.events)
        ]
        if rows:
            await conn.execute(_INSERT, *map(list, zip(*rows, strict=True)))


def uploads(events: Sequence[Event]) -> list[Event]:
    """Those that are uploads."""
    return [event for event in events if event.type == "upload"]


def series_of(tenant_id: int) -> bytes:
    """The series of a tenant's uploads."""
    return pack(Series(tenant_id, "uploads.ms", "gauge", "ms", ()))
