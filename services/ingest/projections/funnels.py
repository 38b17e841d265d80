"""The projection of funnels: reads the steps that sessions had sent, adds the new ones, and stores how far they came.

Times are milliseconds UTC. A session belongs to one partition of the log, and a partition to one owner, so nothing
changes between reading and writing.

Invariant: a row is a function of the occurrences in it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import orjson

from services.ingest.domain.funnel import Occurrence, kept, progress
from services.ingest.projections.projection import NewEvents
from shared.model.event import FUNNEL_STEP
from shared.model.funnel import funnel_of
from shared.postgres.connections import Connection
from shared.postgres.instants import at, ms_of
from shared.postgres.maintenance import Deletion, kept_since
from shared.wire.events import Event

FORGOTTEN = 10_000
"""Entries that one statement of the maintenance deletes."""

_STORED = """
SELECT tenant_id, funnel, session_id, step, step_at
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS wanted (tenant_id, funnel, session_id)
JOIN funnel_entry USING (tenant_id, funnel, session_id)
"""

_STORE = """
INSERT INTO funnel_entry (tenant_id, funnel, session_id, first_at, entered_at, reached, reached_at, out_of_order, step,
                          step_at)
VALUES ($1, $2, $3, $4, $5, cardinality($6::timestamptz[]), $6, $7, $8, $9)
ON CONFLICT (tenant_id, funnel, session_id) DO UPDATE
SET first_at = excluded.first_at, entered_at = excluded.entered_at, reached = excluded.reached,
    reached_at = excluded.reached_at, out_of_order = excluded.out_of_order, step = excluded.step,
    step_at = excluded.step_at, updated_at = now()
"""

_FORGET = f"""
DELETE FROM funnel_entry WHERE (tenant_id, funnel, session_id) IN (
    SELECT tenant_id, funnel, session_id FROM funnel_entry WHERE updated_at < {kept_since("funnel_entry")}
    ORDER BY updated_at LIMIT {FORGOTTEN} FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 # constants of this module


class _Entry(NamedTuple):
    """Whose progress a row holds."""

    tenant_id: int
    funnel: str
    session_id: str


class Funnels:
    """The table `funnel_entry`: how far each session came in each funnel."""

    producer = "ingest.funnels"
    maintenance = (Deletion("funnel_entry", _FORGET),)
    """Forgets sessions some time after their last step."""

    def derive(self, _events: Sequence[Event]) -> None:
        """No points: a funnel is read from its table."""

    async def save(self, conn: Connection, new: Sequence[NewEvents]) -> None:
        """Add the steps among the new events to their sessions."""
        sent = _steps(chain.from_iterable(some.events for some in new))
        if not sent:
            return
        for *entry, steps, times in await conn.fetch(_STORED, *map(list, zip(*sent, strict=True))):
            stored = (Occurrence(ms_of(instant), step) for step, instant in zip(steps, times, strict=True))
            sent[_Entry(*entry)].update(stored)
        await conn.executemany(_STORE, [_row(entry, sent[entry]) for entry in sorted(sent)])


def _steps(events: Iterable[Event]) -> dict[_Entry, set[Occurrence]]:
    sent: dict[_Entry, set[Occurrence]] = {}
    for event in events:
        if event.type == FUNNEL_STEP:
            entry, occurrence = _step(event)
            sent.setdefault(entry, set()).add(occurrence)
    return sent


def _step(event: Event) -> tuple[_Entry, Occurrence]:
    """What a step says; its names were checked when it was decoded."""
    funnel = funnel_of(orjson.loads(memoryview(event.properties)).get("funnel"))
    occurrence = Occurrence(event.ts_ms, funnel.step(event.name))
    return _Entry(event.tenant_id, funnel.name, event.session_id or ""), occurrence


def _row(entry: _Entry, sent: set[Occurrence]) -> tuple[Any, ...]:
    come, all_ = progress(sent), kept(sent)
    return (
        *entry, at(come.first_ms), None if come.entered_ms is None else at(come.entered_ms),
        [at(ms) for ms in come.reached_ms], come.out_of_order,
        [step for _, step in all_], [at(ts_ms) for ts_ms, _ in all_],
    )  # fmt: skip
