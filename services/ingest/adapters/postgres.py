"""Stores the ids of events, and lets each projection write what is new.

Times are milliseconds UTC. A client may use one id in two sessions; then the owner of another partition may store it
after the look-up, and it is not stored again. Each query covers many events, and each statement stays far below its
time limit.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from services.ingest.domain.dedup import Id, day_of, ids_of
from services.ingest.projections.projection import NewEvents, Projection
from services.ingest.service import Arrival, EventWork, ledger_entries
from shared.ledger import table as ledger
from shared.postgres.connections import Connection
from shared.postgres.instants import at
from shared.postgres.maintenance import Partitioned, Task
from shared.stream.processor import Key
from shared.wire.events import Event

IDS = 20_000
"""Ids of one statement."""

# asyncpg asks of each element of an array whether it is an array itself, which costs more than the query. Ids hold no
# line ends.
_IDS = "string_to_array($1, ',')::bigint[], string_to_array($2, E'\\n')"

_KNOWN = f"""
SELECT tenant_id, event_id, (extract(epoch FROM max(day)) * 1000)::bigint
FROM unnest({_IDS}) AS wanted (tenant_id, event_id) JOIN event_id USING (tenant_id, event_id)
WHERE day >= $3 GROUP BY tenant_id, event_id
"""  # noqa: S608 # a constant of this module

_REMEMBER = f"""
WITH wanted AS (
    SELECT * FROM unnest({_IDS}) AS wanted (tenant_id, event_id)
), stored AS (
    INSERT INTO event_id (tenant_id, event_id, day)
    SELECT tenant_id, event_id, $3 FROM wanted ORDER BY tenant_id, event_id COLLATE "C"
    ON CONFLICT DO NOTHING RETURNING tenant_id, event_id
)
SELECT tenant_id, event_id FROM wanted EXCEPT SELECT tenant_id, event_id FROM stored
"""  # noqa: S608 # a constant of this module

_Found: TypeAlias = list[tuple[Arrival[Event], list[Event]]]


class EventIds:
    """The table `event_id` as the transaction that moves the checkpoints finds it."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def known(self, ids: Sequence[Id], since_ms: int) -> dict[Id, int]:
        """Those of the ids that were appended on the day `since_ms` or later, each with its latest day.

        Raises `Unavailable`.
        """
        found: dict[Id, int] = {}
        for some in _bites(ids):
            rows = await self._conn.fetch(_KNOWN, *_columns(some), at(since_ms))
            found.update(((tenant_id, event_id), day_ms) for tenant_id, event_id, day_ms in rows)
        return found


class EventTables:
    """The tables `event_id` and `ledger_1m`, and those of the projections."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = projections

    @property
    def maintenance(self) -> Sequence[Task]:
        """Keeps partitions ahead of time, and forgets what is past retention."""
        own = (each.maintenance for each in self._projections)
        return (Partitioned("event_id"), *ledger.MAINTENANCE, *chain.from_iterable(own))

    async def save(self, conn: Connection, works: Mapping[Key, EventWork[Event]]) -> None:
        """Write what is new in these checkpoints, inside the transaction that moves them."""
        found = [pair for work in works.values() for pair in work.judged()]
        taken = await _remember(conn, found)
        new = [NewEvents(arrival.appended_at_ms, _left(events, taken)) for arrival, events in found]
        for projection in self._projections:
            await projection.save(conn, new)
        await ledger.add(conn, {key: ledger_entries(work, taken) for key, work in works.items()})


def _left(events: Sequence[Event], taken: Collection[Id]) -> Sequence[Event]:
    """Those of the events that nobody else has stored meanwhile."""
    if not taken:
        return events
    return [event for event in events if (event.tenant_id, event.event_id) not in taken]


async def _remember(conn: Connection, found: _Found) -> set[Id]:
    """Store the ids; those that somebody else has stored meanwhile."""
    by_day: dict[int, list[Id]] = {}
    for arrival, new in found:
        by_day.setdefault(day_of(arrival.appended_at_ms), []).extend(ids_of(new))
    taken: set[Id] = set()
    for day_ms in sorted(by_day):
        for ids in _bites(by_day[day_ms]):
            rows = await conn.fetch(_REMEMBER, *_columns(ids), at(day_ms))
            taken.update((tenant_id, event_id) for tenant_id, event_id in rows)
    return taken


def _bites(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    return (ids[begin : begin + IDS] for begin in range(0, len(ids), IDS))


def _columns(ids: Iterable[Id]) -> tuple[str, str]:
    tenant_ids, event_ids = zip(*ids, strict=True)
    return ",".join(map(str, tenant_ids)), "\n".join(event_ids)
