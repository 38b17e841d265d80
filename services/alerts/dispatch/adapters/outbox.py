"""The outbox of transitions: the table `alert_outbox`, written by evaluation.

Invariant: two processes that replace the entries of one alert do it one after the other, in the order of the entries:
whoever comes second waits for the first one's locks, and finds what is left.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from services.alerts.dispatch.adapters.by_hand import IN_FORCE
from services.alerts.dispatch.adapters.rows import COLUMNS, transition_of
from services.alerts.dispatch.ports import NewNotification, OutboxEntry
from shared.alerts.silences import tables
from shared.alerts.silences.matchers import Silence
from shared.postgres.connections import Connection

_PENDING = f"""
SELECT o.outbox_id, {IN_FORCE} AS by_hand, {COLUMNS}
FROM alert_outbox o JOIN alert_event e USING (rule, series_id, episode_ms, transition)
WHERE o.topic = $1 ORDER BY o.outbox_id LIMIT $2
"""  # noqa: S608  names of columns

_REPLACE = """
WITH taken AS (
    DELETE FROM alert_outbox WHERE outbox_id IN (
        SELECT outbox_id FROM alert_outbox WHERE outbox_id = ANY($2) ORDER BY outbox_id FOR UPDATE
    ) RETURNING outbox_id
)
INSERT INTO notification (topic, receiver, key, rule, series_id, episode_ms, transition, body, group_key,
    muted_by)
SELECT $1, receiver, key, rule, series_id, episode_ms, transition, body, group_key, muted_by
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[],
    $11::text[], $12::uuid[])
    WITH ORDINALITY AS new (outbox_id, receiver, key, rule, series_id, episode_ms, transition, body, group_key,
        muted_by, place)
    JOIN taken USING (outbox_id)
ORDER BY place
ON CONFLICT DO NOTHING
"""
"""In the order of the log: the ids are the order of delivery."""


class AlertOutbox:
    """The transitions of one system; others may share the table."""

    def __init__(self, topic: str, connect: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._topic = topic
        self._connect = connect

    async def pending(self, limit: int) -> list[OutboxEntry]:
        """The first ones. Raises `Unavailable`."""
        async with self._connect() as conn:
            rows = await conn.fetch(_PENDING, self._topic, limit)
        return [OutboxEntry(row["outbox_id"], transition_of(row), row["by_hand"]) for row in rows]

    async def silences(self) -> list[Silence]:
        """Those that are in force. Raises `Unavailable`."""
        async with self._connect() as conn:
            return await tables.active(conn)

    async def replace(self, entries: Sequence[OutboxEntry], notifications: Sequence[NewNotification]) -> None:
        """Put notifications in the place of these entries; not for those that another has replaced.

        Raises `Unavailable`.
        """
        taken = [entry.outbox_id for entry in entries]
        columns = map(list, zip(*notifications, strict=True)) if notifications else [[]] * 10
        async with self._connect() as conn:
            await conn.execute(_REPLACE, self._topic, taken, *columns)
