"""What producers may rely on: the topic is the one that its readers' checkpoints were written for.

Invariant: a topic that was made again, moved or widened is not written to until `tidegauge topics accept`, and records
are routed by the number of partitions that their readers' state is divided by.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import Unavailable
from shared.postgres.connections import Connection, Pool, connection
from shared.runtime.kafka import TopicChanged
from shared.runtime.metadata import TopicMetadata
from shared.stream.log.identity import ACCEPT, LastRecord, LogIdentity, adopted, other_topic

COLUMNS = "cluster_id, topic_id, partitions, routed_by, last_offset, last_appended_ms, last_checksum"
"""What `partition_state` says of a log; `recorded` reads it."""

_LOGS = """
SELECT DISTINCT topic, cluster_id, topic_id, partitions, routed_by FROM partition_state
WHERE topic = ANY($1) AND topic_id IS NOT NULL
"""


def recorded(row: Sequence[Any]) -> tuple[LogIdentity | None, LastRecord | None]:
    """The log of a checkpoint and the last record that was folded, from `COLUMNS`."""
    log = None if row[1] is None else LogIdentity(*row[:4])
    return log, None if row[4] is None else LastRecord(*row[4:])


async def logs_of(conn: Connection, topics: Sequence[str]) -> Mapping[str, tuple[LogIdentity, ...]]:
    """The logs that the checkpoints of each topic were written for."""
    found: dict[str, tuple[LogIdentity, ...]] = dict.fromkeys(topics, ())
    for topic, *log in await conn.fetch(_LOGS, list(found)):
        found[topic] += (LogIdentity(*log),)
    return found


class ExpectedTopics:
    """Compares topics with the checkpoints in Postgres, for producers; while it is away, with what it said last."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[LogIdentity, ...]] = {}

    async def routed_by(self, topic: str, found: TopicMetadata) -> int:
        """How many partitions records of this topic are routed by.

        Raises `TopicChanged` when it is another topic, and `Unavailable` while Postgres has never said.
        """
        try:
            async with connection(self._pool) as conn:
                self._known |= await logs_of(conn, [topic])
        except Unavailable:
            if topic not in self._known:
                raise
        known = self._known[topic] = self._known[topic] or (adopted(found),)
        for one in known:
            if problem := other_topic(one, found):
                raise TopicChanged("kafka", f"{topic}: {problem}; {ACCEPT.format(topic=topic)}")
        return known[0].routed_by
