"""The notifications: takes what is due for a receiver out of the table `notification`, and notes what became of it.

Spans are seconds, by Postgres' clock. Invariant: of one alert and receiver only the earliest open notification is ever
claimed, and none that a silence holds back; only the result of its latest claim counts; and a claim that nobody settles
lapses.
"""

from collections.abc import Sequence
from typing import Any

from services.alerts.dispatch.adapters.rows import COLUMNS, transition_of
from services.alerts.dispatch.domain.redelivery import GIVE_UP_S, REFUSED_S, pause_s
from services.alerts.dispatch.ports import DeliveryResult, Notification, RecordedResult
from services.alerts.domain.transition import Transition
from shared.postgres.connections import Pool, connection
from shared.postgres.maintenance import Deletion, kept_since
from shared.runtime.clock import monotonic_s

LEASE_S = 15.0
"""How long a claimed notification is nobody else's; longer than any receiver takes to answer."""

_CLAIM = f"""
WITH due AS (
    SELECT n.notification_id FROM notification n
    WHERE n.topic = $1 AND n.receiver = $2 AND n.next_at <= now()
        AND n.delivered_at IS NULL AND n.given_up_at IS NULL AND n.muted_by IS NULL
        AND (n.group_key IS NULL OR NOT $5)
        AND NOT EXISTS (
            SELECT FROM notification earlier
            WHERE earlier.receiver = n.receiver AND earlier.rule = n.rule AND earlier.series_id = n.series_id
                AND earlier.notification_id < n.notification_id AND earlier.topic = n.topic
                AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL
        )
    ORDER BY n.next_at, n.notification_id LIMIT $3
    FOR UPDATE OF n SKIP LOCKED
), claimed AS (
    UPDATE notification n
    SET attempts = n.attempts + 1, next_at = now() + make_interval(secs => $4)
    FROM due WHERE n.notification_id = due.notification_id
    RETURNING n.notification_id, n.attempts, n.rule, n.series_id, n.key, n.body, n.reduced
)
SELECT c.notification_id, c.attempts, c.key AS notified_key, c.body, c.reduced, {COLUMNS}
FROM claimed c LEFT JOIN alert_event e
    ON c.body IS NULL AND e.rule = c.rule AND e.series_id = c.series_id AND e.key = c.key
ORDER BY c.notification_id
"""  # noqa: S608  names of columns
"""A row without a body is rendered from its transition."""

_RECORD = """
UPDATE notification n
SET delivered_at = CASE WHEN r.outcome = 'delivered' THEN now() END,
    given_up_at = CASE WHEN r.outcome = 'delivered' THEN NULL
                       WHEN r.outcome = 'impossible' OR n.created_at <= now() - make_interval(secs => $6)
                           OR r.outcome <> 'again' AND n.refused_since <= now() - make_interval(secs => $8)
                       THEN now() END,
    refused_since = CASE WHEN r.outcome IN ('refused', 'too_large') THEN coalesce(n.refused_since, now()) END,
    reduced = n.reduced OR r.outcome = 'too_large',
    next_at = now() + make_interval(secs => greatest(r.least_s, r.pause_s * 0.75) + r.pause_s * random() / 2),
    problem = r.problem
FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::double precision[], $7::double precision[])
    AS r (notification_id, attempts, outcome, problem, least_s, pause_s)
WHERE n.notification_id = r.notification_id AND n.attempts = r.attempts
    AND n.delivered_at IS NULL AND n.given_up_at IS NULL
RETURNING n.key, n.attempts, n.problem, n.given_up_at IS NOT NULL AS given_up
"""

_OLD_NOTIFICATIONS = f"""
DELETE FROM notification WHERE notification_id IN (
    SELECT notification_id FROM notification WHERE created_at < {kept_since("notification")}
        AND (muted_by IS NULL OR given_up_at IS NOT NULL)
    ORDER BY created_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 # a constant of this module

MAINTENANCE = (Deletion("notification", _OLD_NOTIFICATIONS),)
"""Removes what is past retention, in pieces that no commit has to wait for. What is so old was given up long ago.

One that a silence holds back stays for as long as that: it is told when the silence ends.
"""


class Notifications:
    """The notifications of one system; others may share the table."""

    def __init__(self, pool: Pool, topic: str, lease_s: float = LEASE_S, *, alone: bool = False) -> None:
        self._pool = pool
        self._topic = topic
        self._lease_s = lease_s
        self._alone = alone
        """Only what belongs to no group."""

    async def claim(self, receiver: str, limit: int) -> list[Notification]:
        """Up to `limit` that are due, for this process alone until their lease ends. Raises `Unavailable`."""
        lease_end_s = monotonic_s() + self._lease_s
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_CLAIM, self._topic, receiver, limit, self._lease_s, self._alone)
        return [notification_of(row, lease_end_s) for row in rows]

    async def record(self, results: Sequence[tuple[Notification, DeliveryResult]]) -> list[RecordedResult]:
        """Note results, but not of those that others have claimed meanwhile. Raises `Unavailable`."""
        if not results:
            return []
        columns = zip(
            *((n.notification_id, n.attempts, r.outcome, r.problem, r.least_s) for n, r in results),
            strict=True,
        )
        pauses = [pause_s(notification.attempts) for notification, _ in results]
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_RECORD, *map(list, columns), GIVE_UP_S, pauses, REFUSED_S)
        return [RecordedResult(**row) for row in rows]


def notification_of(
    row: Any, lease_end_s: float, group: str | None = None, message: str | None = None
) -> Notification:
    """What was claimed, as a row of one of the statements that claim."""
    return Notification(
        row["notification_id"], row["attempts"], row["notified_key"], _content(row), lease_end_s, row["reduced"],
        group, message,
    )  # fmt: skip


def _content(row: Any) -> Transition | bytes | None:
    if row["body"] is not None:
        return bytes(row["body"])
    return None if row["key"] is None else transition_of(row)
