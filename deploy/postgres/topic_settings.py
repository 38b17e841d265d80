"""Settings of topics in Postgres: the disorder bound of the topic of points.

Milliseconds. Invariant: a bound never changes once a worker has acquired a partition of the topic, so that a replay
decides as the first reader did.
"""

from shared.errors import Misconfigured
from shared.model.window import DISORDER_MS
from shared.postgres import connections

# Whoever acquires a partition for the first time waits until the setting is there.
_LOCK = "LOCK TABLE partition_state IN SHARE MODE"

_READ = """
SELECT coalesce((SELECT disorder_ms FROM topic_setting WHERE topic = $1), $2),
       EXISTS (SELECT FROM partition_state WHERE topic = $1)"""

_SET = """
INSERT INTO topic_setting (topic, disorder_ms) VALUES ($1, $2)
ON CONFLICT (topic) DO UPDATE SET disorder_ms = excluded.disorder_ms"""


async def set_disorder_bound(dsn: str, topic: str, disorder_ms: int) -> None:
    """Give a topic its disorder bound; `Misconfigured` when it has been read with another one. Raises `Unavailable`."""
    async with connections.single(dsn) as conn, conn.transaction():
        await conn.execute(_LOCK)
        known_ms, is_read = await conn.fetchrow(_READ, topic, DISORDER_MS)
        if is_read and known_ms != disorder_ms:
            raise Misconfigured(
                f"topic {topic} is read with a disorder bound of {known_ms} ms already, which holds for its life"
            )
        await conn.execute(_SET, topic, disorder_ms)
