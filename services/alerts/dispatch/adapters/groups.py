"""Notifications in groups: what is due of a group is claimed as one message, whose members stay the same.

Spans are seconds, by Postgres' clock. The first message of a group that was silent leaves at once with all that is due,
the next ones an interval apart, and at once when all of the group is over. Invariant: of a group one message is under
way at a time; a member that is claimed again is claimed with the same others, under the same key; and of one alert
only the earliest open notification is ever claimed.
"""

from collections.abc import Sequence
from typing import Any

from services.alerts.dispatch.adapters.notifications import LEASE_S, Notifications, notification_of
from services.alerts.dispatch.adapters.rows import COLUMNS
from services.alerts.dispatch.domain.group import INTERVAL_S, MAX_MEMBERS, message_key
from services.alerts.dispatch.ports import DeliveryResult, Notification, RecordedResult
from shared.postgres.connections import Connection, Pool, connection
from shared.runtime.clock import monotonic_s

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('groups ' || $1 || ' ' || $2, 0))"

_OPEN = "{0}.topic = $1 AND {0}.receiver = $2 AND {0}.delivered_at IS NULL AND {0}.given_up_at IS NULL"

_MESSAGES = f"""
SELECT n.message_key, array_agg(n.notification_id) AS ids FROM notification n
WHERE {_OPEN.format("n")} AND n.message_key IS NOT NULL
GROUP BY n.message_key HAVING max(n.next_at) <= now() ORDER BY min(n.notification_id) LIMIT $3
"""  # noqa: S608  constants of this module
"""Messages that are to be tried again, whole."""

_BEGUN = f"""
WITH due AS MATERIALIZED (
    SELECT n.notification_id, n.group_key, n.key, n.transition, n.rule, n.series_id, n.episode_ms
    FROM notification n
    WHERE {_OPEN.format("n")} AND n.next_at <= now() AND n.group_key IS NOT NULL AND n.message_key IS NULL
        AND n.muted_by IS NULL AND NOT EXISTS (
            SELECT FROM notification earlier
            WHERE {_OPEN.format("earlier")} AND earlier.rule = n.rule AND earlier.series_id = n.series_id
                AND earlier.notification_id < n.notification_id
        )
), ready AS (
    SELECT d.group_key, min(d.notification_id) AS first FROM due d GROUP BY d.group_key
    HAVING NOT EXISTS (
        SELECT FROM notification m
        WHERE {_OPEN.format("m")} AND m.group_key = d.group_key AND m.message_key IS NOT NULL
    ) AND (count(*) >= $5 OR NOT EXISTS (
        SELECT FROM notification m WHERE m.topic = $1 AND m.receiver = $2 AND m.group_key = d.group_key
            AND m.delivered_at > now() - make_interval(secs => $4)
    ) OR bool_and(d.transition = 'resolved') AND NOT EXISTS (
        SELECT FROM notification f
        WHERE f.topic = $1 AND f.receiver = $2 AND f.group_key = d.group_key AND f.transition = 'firing'
            AND f.delivered_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM notification r
                WHERE r.topic = $1 AND r.receiver = $2 AND r.group_key = f.group_key AND r.transition = 'resolved'
                    AND r.rule = f.rule AND r.series_id = f.series_id AND r.episode_ms = f.episode_ms
                    AND (r.delivered_at IS NOT NULL OR r.notification_id IN (SELECT notification_id FROM due))
            )
    ))
    ORDER BY first LIMIT $3
)
SELECT group_key, ids[:$5] AS ids, keys[:$5] AS keys FROM (
    SELECT d.group_key, array_agg(d.notification_id ORDER BY d.notification_id) AS ids,
        array_agg(d.key ORDER BY d.notification_id) AS keys
    FROM due d JOIN ready USING (group_key) GROUP BY d.group_key
) AS found
"""  # noqa: S608  constants of this module
"""Groups that may begin a message: none of theirs is under way, and their time has come, or all of them is over."""

_CLAIM = f"""
WITH claimed AS (
    UPDATE notification n
    SET attempts = n.attempts + 1, next_at = now() + make_interval(secs => $4), message_key = new.message_key
    FROM unnest($3::bigint[], $5::text[]) AS new (notification_id, message_key)
    WHERE n.notification_id = new.notification_id AND {_OPEN.format("n")} AND n.muted_by IS NULL
    RETURNING n.notification_id, n.attempts, n.rule, n.series_id, n.key, n.body, n.reduced, n.group_key, n.message_key
)
SELECT c.notification_id, c.attempts, c.key AS notified_key, c.body, c.reduced, c.group_key, c.message_key, {COLUMNS}
FROM claimed c LEFT JOIN alert_event e
    ON c.body IS NULL AND e.rule = c.rule AND e.series_id = c.series_id AND e.key = c.key
ORDER BY c.message_key, c.notification_id
"""  # noqa: S608  names of columns

_SPLIT = """
UPDATE notification n SET message_key = new.message_key, next_at = now(), reduced = false
FROM unnest($1::bigint[], $2::text[]) AS new (notification_id, message_key)
WHERE n.notification_id = new.notification_id AND n.delivered_at IS NULL AND n.given_up_at IS NULL
"""
"""Two messages in the place of one that was too large."""


class GroupedNotifications(Notifications):
    """The notifications of one system for receivers that are told in groups."""

    def __init__(
        self, pool: Pool, topic: str, lease_s: float = LEASE_S, interval_s: float = INTERVAL_S,
        max_members: int = MAX_MEMBERS,
    ) -> None:  # fmt: skip
        super().__init__(pool, topic, lease_s, alone=True)
        self._interval_s = interval_s
        self._max_members = max_members

    async def claim(self, receiver: str, limit: int) -> list[Notification]:
        """Members of up to `limit` messages that are due, each message whole. Raises `Unavailable`."""
        lease_end_s = monotonic_s() + self._lease_s
        async with connection(self._pool) as conn, conn.transaction():
            await conn.execute(_LOCK, self._topic, receiver)
            members = await self._members(conn, receiver, limit)
            rows: Sequence[Any] = ()
            if members:
                ids, keys = map(list, zip(*members, strict=True))
                rows = await conn.fetch(_CLAIM, self._topic, receiver, ids, self._lease_s, keys)
        claimed = [notification_of(row, lease_end_s, row["group_key"], row["message_key"]) for row in rows]
        room = limit - len({each.message for each in claimed})
        return claimed + (await super().claim(receiver, room) if room > 0 else [])

    async def _members(self, conn: Connection, receiver: str, limit: int) -> list[tuple[int, str]]:
        """The notifications of messages that are due, each with the key of its message."""
        again = await conn.fetch(_MESSAGES, self._topic, receiver, limit)
        members = [(notification_id, row["message_key"]) for row in again for notification_id in row["ids"]]
        if (room := limit - len(again)) > 0:
            begun = await conn.fetch(_BEGUN, self._topic, receiver, room, self._interval_s, self._max_members)
            for row in begun:
                key = message_key(receiver, row["keys"])
                members += [(notification_id, key) for notification_id in row["ids"]]
        return members

    async def record(self, results: Sequence[tuple[Notification, DeliveryResult]]) -> list[RecordedResult]:
        """Note results; a message that was too large becomes two. Raises `Unavailable`."""
        recorded = await super().record(results)
        large: dict[str, list[Notification]] = {}
        for notification, result in results:
            if result.outcome == "too_large" and notification.message is not None:
                large.setdefault(notification.message, []).append(notification)
        for members in large.values():
            if len(members) > 1:
                await self._split(members)
        return recorded

    async def _split(self, members: Sequence[Notification]) -> None:
        half = len(members) // 2
        ids, keys = [], []
        for part in (members[:half], members[half:]):
            key = message_key(str(part[0].message), [each.key for each in part])
            ids += [each.notification_id for each in part]
            keys += [key] * len(part)
        async with connection(self._pool) as conn:
            await conn.execute(_SPLIT, ids, keys)
