"""The outbox: takes what is due for a receiver out of the table `notification`, and notes what became of it.

Spans are seconds, by Postgres' clock. The law: of one alert and receiver only the earliest unsettled notification is
ever claimed; who claimed it last is the only one whose word on it counts; and a claim that nobody settles lapses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.alerts.ports import DeliveryResult, Notification
from shared.postgres.connections import Pool, connection
from shared.runtime.clock import monotonic_s

LEASE_S = 15.0
"""How long a claimed notification is nobody else's; longer than any receiver takes to answer."""

GIVE_UP_S = 24 * 3600.0
"""Age from which on a failed attempt is the last one."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Pause before another attempt: doubled each time up to the longest, each up to a quarter shorter or longer."""

_CLAIM = """
WITH due AS (
    SELECT n.notification_id FROM notification n
    WHERE n.topic = $1 AND n.receiver = $2 AND n.next_at <= now()
        AND n.delivered_at IS NULL AND n.given_up_at IS NULL
        AND NOT EXISTS (
            SELECT FROM notification earlier
            WHERE earlier.receiver = n.receiver AND earlier.rule = n.rule AND earlier.series_id = n.series_id
                AND earlier.notification_id < n.notification_id AND earlier.topic = n.topic
                AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL
        )
    ORDER BY n.next_at, n.notification_id LIMIT $3
    FOR UPDATE OF n SKIP LOCKED
)
UPDATE notification n
SET attempts = n.attempts + 1, next_at = now() + make_interval(secs => $4)
FROM due WHERE n.notification_id = due.notification_id
RETURNING n.notification_id, n.attempts, n.key, n.body
"""

_SETTLE = """
UPDATE notification n
SET delivered_at = CASE WHEN result.outcome = 'delivered' THEN now() END,
    given_up_at = CASE WHEN result.outcome = 'refused' THEN now()
                       WHEN result.outcome = 'again'
                            AND n.created_at <= now() - make_interval(secs => $6) THEN now() END,
    next_at = now() + make_interval(
        secs => greatest(result.least_s, result.pause_s * 0.75) + result.pause_s * random() / 2),
    problem = result.problem
FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::double precision[], $7::double precision[])
    AS result (notification_id, attempts, outcome, problem, least_s, pause_s)
WHERE n.notification_id = result.notification_id AND n.attempts = result.attempts
    AND n.delivered_at IS NULL AND n.given_up_at IS NULL
RETURNING n.key, n.attempts, n.problem, n.given_up_at IS NOT NULL AS given_up
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was noted of a notification."""

    key: str
    attempts: int
    problem: str | None
    """Why it was not delivered."""
    given_up: bool
    """Whether it is never tried again."""


class Outbox:
    """What one system has to tell; others may share the table."""

    def __init__(self, pool: Pool, topic: str, lease_s: float = LEASE_S) -> None:
        self._pool = pool
        self._topic = topic
        self._lease_s = lease_s

    async def claim(self, receiver: str, limit: int) -> list[Notification]:
        """Up to `limit` notifications that are due, for us alone until their lease ends. Raises `Unavailable`."""
        until_s = monotonic_s() + self._lease_s
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_CLAIM, self._topic, receiver, limit, self._lease_s)
        return [
            Notification(row["notification_id"], row["attempts"], row["key"], row["body"], until_s)
            for row in rows
        ]

    async def settle(self, results: Sequence[tuple[Notification, DeliveryResult]]) -> list[Settled]:
        """Note what became of them, but for those that others have claimed meanwhile. Raises `Unavailable`."""
        if not results:
            return []
        columns = zip(
            *((n.notification_id, n.attempts, a.outcome, a.problem, a.least_s) for n, a in results),
            strict=True,
        )
        pauses = [pause_s(notification.attempts) for notification, _ in results]
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_SETTLE, *map(list, columns), GIVE_UP_S, pauses)
        return [Settled(**row) for row in rows]


def pause_s(attempts: int) -> float:
    """The pause after so many attempts, before chance is added."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempts - 1, 10)))
