"""What a projection is: it takes the new events of a checkpoint, saves rows of its own and derives points.

Times are milliseconds UTC. A projection is one module here and a name in `registry`. Rows are saved in
the transaction that moves the checkpoint; points are published just before it commits, by the record of the log that
their events came in (docs/decisions/0021).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.ingest.projections.derived_points import DerivedPoints
from shared.postgres.connections import Connection
from shared.postgres.maintenance import Task
from shared.wire.events import Event


class NewEvents(NamedTuple):
    """The events of one record that this transaction stores."""

    appended_at_ms: int
    """When the broker appended them."""
    events: Sequence[Event]


class Projection(Protocol):
    """One thing that ingest makes of events."""

    @property
    def producer(self) -> str:
        """What its points are published as, followed by the partition of the events; no two projections share it."""

    @property
    def maintenance(self) -> Sequence[Task]:
        """What keeps its tables."""

    def derive(self, events: Sequence[Event]) -> DerivedPoints | None:
        """The points of the new events of a record, which follow from them alone; at most two an event.

        None: there are none.
        """

    async def save(self, conn: Connection, new: Sequence[NewEvents]) -> None:
        """Write rows of the new events of a commit, all partitions together. Raises `Unavailable`."""
