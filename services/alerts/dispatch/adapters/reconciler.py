"""Brings notifications in line with silences and notes, as the tables hold them.

A silence holds back FIRING alone, and only what was never attempted: so a receiver that may know of an episode is told
of its end, and one that knows of nothing is told nothing. Invariant: one process of a system is at it at a time.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from services.alerts.dispatch.adapters.by_hand import HandNotes
from services.alerts.dispatch.ports import Receiver
from shared.alerts.silences import tables
from shared.alerts.silences.matchers import Silence, muted_by
from shared.postgres.connections import Connection, Pool, connection

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('dispatch ' || $1, 0))"

_OPEN = "{0}.delivered_at IS NULL AND {0}.given_up_at IS NULL AND {0}.attempts = 0"

_OVER = f"""
WITH muted AS (
    SELECT f.notification_id AS firing, r.notification_id AS resolved, f.muted_by
    FROM notification f JOIN notification r
        ON r.topic = f.topic AND r.receiver = f.receiver AND r.rule = f.rule AND r.series_id = f.series_id
            AND r.episode_ms = f.episode_ms AND r.transition = 'resolved' AND r.notification_id > f.notification_id
    WHERE f.topic = $1 AND f.transition = 'firing' AND f.muted_by IS NOT NULL
        AND {_OPEN.format("f")} AND {_OPEN.format("r")}
)
UPDATE notification n
SET given_up_at = now(), muted_by = muted.muted_by, problem = 'fired and ended within silence ' || muted.muted_by
FROM muted WHERE n.notification_id IN (muted.firing, muted.resolved) AND {_OPEN.format("n")}
"""  # noqa: S608  constants of this module
"""What fired and ended inside a silence: nobody is told of either."""

_MUTED = f"""
SELECT EXISTS (
    SELECT FROM notification n WHERE n.topic = $1 AND n.muted_by IS NOT NULL AND {_OPEN.format("n")}
)
"""  # noqa: S608  constants of this module

_FIRING = f"""
SELECT n.notification_id, n.muted_by::text, e.tenant_id, e.labels
FROM notification n JOIN alert_event e
    ON e.rule = n.rule AND e.series_id = n.series_id AND e.episode_ms = n.episode_ms AND e.transition = 'firing'
WHERE n.topic = $1 AND n.receiver = ANY($2) AND n.transition = 'firing' AND {_OPEN.format("n")}
    AND (n.muted_by IS NULL OR $3)
ORDER BY n.notification_id
"""  # noqa: S608  constants of this module
"""What may be held back, and where the silences have changed what is."""

_MUTE = f"""
UPDATE notification n
SET muted_by = new.muted_by, next_at = now(),
    created_at = CASE WHEN new.muted_by IS NULL THEN now() ELSE n.created_at END
FROM unnest($1::bigint[], $2::uuid[]) AS new (notification_id, muted_by)
WHERE n.notification_id = new.notification_id AND {_OPEN.format("n")}
"""  # noqa: S608  constants of this module
"""What is held back no more counts from now on: a day of attempts begins."""


class Reconciler:
    """Looks after the notifications of one system."""

    def __init__(self, pool: Pool, topic: str, receivers: Sequence[Receiver]) -> None:
        self._pool = pool
        self._topic = topic
        self._notes = HandNotes(topic, receivers)
        self._mutable = [receiver.name for receiver in receivers if not receiver.hears_all]
        self._seen: list[Silence] | None = None
        """Silences in force at the last look."""

    async def reconcile(self) -> bool:
        """One look; whether something may be due that was not. Raises `Unavailable`."""
        async with connection(self._pool) as conn, conn.transaction():
            if not await conn.fetchval(_LOCK, self._topic):
                return False
            told = await self._notes.act(conn)
            silences, any_muted = await tables.active(conn), await conn.fetchval(_MUTED, self._topic)
            if any_muted:
                await conn.execute(_OVER, self._topic)
            unmuted = False
            if silences or any_muted:
                unmuted = await self._mute(conn, silences)
            self._seen = silences
            return told or unmuted

    async def _mute(self, conn: Connection, silences: Sequence[Silence]) -> bool:
        """Hold back what is silenced now, and let go what is not; whether anything was let go."""
        rows = await conn.fetch(_FIRING, self._topic, self._mutable, silences != self._seen)
        found = [(row, muted_by(silences, row["tenant_id"], orjson.loads(row["labels"]))) for row in rows]
        changed: list[tuple[Any, str | None]] = [
            (row, silence) for row, silence in found if silence != row["muted_by"]
        ]
        if changed:
            ids = [row["notification_id"] for row, _ in changed]
            await conn.execute(_MUTE, ids, [silence for _, silence in changed])
        return any(silence is None for _, silence in changed)
