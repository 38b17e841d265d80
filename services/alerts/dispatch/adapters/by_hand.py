"""Notes that end an episode by hand: receivers are told, and told again where the episode goes on.

Spans are seconds, by Postgres' clock. Invariant: of an episode one note is in force at a time, and each is told of
once, for the rows say so in the transaction that writes the notifications.
"""

from collections.abc import Sequence
from typing import Any

from services.alerts.dispatch.adapters.rows import COLUMNS, transition_of
from services.alerts.dispatch.domain.by_hand import REOPEN_AFTER_S, HandNote, ended, reopened
from services.alerts.dispatch.ports import Receiver
from services.alerts.domain.transition import Transition
from shared.postgres.connections import Connection
from shared.postgres.instants import ms_of
from shared.postgres.maintenance import Deletion, kept_since

IN_FORCE = """EXISTS (
    SELECT FROM alert_note n
    WHERE n.rule = e.rule AND n.series_id = e.series_id AND n.episode_ms = e.episode_ms AND n.action = 'resolve'
        AND n.dispatched_at IS NOT NULL AND n.reopened_at IS NULL
)"""
"""SQL: receivers were told that the episode of the transition `e` is over, and nothing since."""

_OPEN = f"""
SELECT n.note_id, n.actor, n.text, n.at, n.dispatched_at IS NOT NULL AS dispatched,
    n.dispatched_at <= now() - make_interval(secs => $2) AS long_ago,
    i.state = 'firing' AND i.episode_ms = n.episode_ms AS lasts, {COLUMNS}
FROM alert_note n
    JOIN alert_instance i ON i.rule = n.rule AND i.series_id = n.series_id
    JOIN alert_event e ON e.rule = n.rule AND e.series_id = n.series_id AND e.episode_ms = n.episode_ms
        AND e.transition = 'firing'
WHERE n.topic = $1 AND n.action = 'resolve' AND n.settled_at IS NULL
ORDER BY n.note_id
FOR UPDATE OF n
"""  # noqa: S608  names of columns

_NOTIFY = """
INSERT INTO notification (topic, receiver, key, rule, series_id, episode_ms, transition, body)
SELECT $1, receiver, $2, $3, $4, $5, $6, body FROM unnest($7::text[], $8::bytea[]) AS new (receiver, body)
ON CONFLICT DO NOTHING
"""

_DISPATCHED = "UPDATE alert_note SET dispatched_at = now() WHERE note_id = $1"
_REOPENED = "UPDATE alert_note SET reopened_at = now(), settled_at = now() WHERE note_id = $1"
_SETTLED = "UPDATE alert_note SET settled_at = now() WHERE note_id = $1"

_OLD_NOTES = f"""
DELETE FROM alert_note WHERE note_id IN (
    SELECT note_id FROM alert_note WHERE at < {kept_since("alert_note")} ORDER BY at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608  a constant of this module

MAINTENANCE = (Deletion("alert_note", _OLD_NOTES),)
"""Removes what is past retention."""


class HandNotes:
    """The notes of one system that say that an episode is over."""

    def __init__(
        self, topic: str, receivers: Sequence[Receiver], reopen_after_s: float = REOPEN_AFTER_S
    ) -> None:
        self._topic = topic
        self._receivers = [receiver for receiver in receivers if not receiver.hears_all]
        self._reopen_after_s = reopen_after_s

    async def act(self, conn: Connection) -> bool:
        """Within a transaction: tell what is to be told; whether anything is."""
        rows = await conn.fetch(_OPEN, self._topic, self._reopen_after_s)
        spoken = {_episode(row) for row in rows if row["dispatched"]}
        any_told = False
        for row in rows:
            firing = transition_of(row)
            note = HandNote(row["note_id"], row["actor"], row["text"], ms_of(row["at"]))
            if not row["lasts"] or (not row["dispatched"] and _episode(row) in spoken):
                await conn.execute(_SETTLED, note.note_id)
            elif not row["dispatched"]:
                spoken.add(_episode(row))
                await self._notify(conn, ended(firing, note))
                await conn.execute(_DISPATCHED, note.note_id)
                any_told = True
            elif row["long_ago"]:
                await self._notify(conn, reopened(firing, note))
                await conn.execute(_REOPENED, note.note_id)
                any_told = True
        return any_told

    async def _notify(self, conn: Connection, one: Transition) -> None:
        names = [receiver.name for receiver in self._receivers]
        bodies = [receiver.render(one) for receiver in self._receivers]
        await conn.execute(
            _NOTIFY, self._topic, one.key, one.rule, one.series_id, one.episode_ms, one.transition, names, bodies
        )  # fmt: skip


def _episode(row: Any) -> tuple[str, int, int]:
    return row["rule"], row["series_id"], row["episode_ms"]
