"""The table `breaker`: it shows which partitions are stopped, and stores from where an operator resumed them.

Offsets are Kafka's. Only the operator's decision is read back. A trip is written for people to see; a new owner derives
it again from the dead letters and the checkpoint.
"""

from collections.abc import Mapping
from dataclasses import replace

from shared.postgres.connections import Connection
from shared.stream.breaker import BY_ITSELF, WINDOW, BreakerTrip
from shared.stream.processor import RETENTION_GAP, Key, Stored

_BEFORE = """
SELECT at.topic, at.partition, coalesce(b.let_through, 0),
       ARRAY(SELECT d."offset" FROM dead_letter d
             WHERE d.topic = at.topic AND d.partition = at.partition AND d.code <> $4
                 AND d."offset" >= at.next_offset - $5 AND d."offset" < at.next_offset
             ORDER BY d."offset")
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS at (topic, partition, next_offset)
    LEFT JOIN breaker b USING (topic, partition)
"""

_RECORD_TRIPS = f"""
INSERT INTO breaker AS stored (topic, partition, stopped_at, reason, stopped_since)
SELECT *, now() FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[])
ON CONFLICT (topic, partition) DO UPDATE
SET stopped_at = excluded.stopped_at, reason = excluded.reason, stopped_since = now()
WHERE (stored.let_through < excluded.stopped_at OR excluded.reason LIKE '%{BY_ITSELF}')
    AND (stored.stopped_at, stored.reason) IS DISTINCT FROM (excluded.stopped_at, excluded.reason)
"""  # noqa: S608 # the text is a constant

_FORGET = f"""
UPDATE breaker AS stored SET stopped_at = NULL, reason = NULL, stopped_since = NULL
FROM unnest($1::text[], $2::integer[]) AS acquired (topic, partition)
WHERE (stored.topic, stored.partition) = (acquired.topic, acquired.partition) AND reason LIKE '%{BY_ITSELF}'
"""  # noqa: S608 # the text is a constant
"""A new owner may be able to read what the previous one could not; if not, it records the trip again."""

_RESUME_OFFSET = """
SELECT topic, partition, let_through FROM breaker
JOIN unnest($1::text[], $2::integer[]) AS stopped (topic, partition) USING (topic, partition)
"""


async def recall(conn: Connection, stored: Mapping[Key, Stored]) -> dict[Key, Stored]:
    """The checkpoints with the state of their breakers; trips for an unknown version are deleted."""
    if not stored:
        return {}
    columns = list(map(list, zip(*((*key, at.next_offset) for key, at in stored.items()), strict=True)))
    await conn.execute(_FORGET, *columns[:2])
    rows = await conn.fetch(_BEFORE, *columns, RETENTION_GAP, WINDOW)
    return {
        key: replace(stored[key], resume_offset=resume_offset, bad=tuple(bad))
        for topic, partition, resume_offset, bad in rows
        for key in [Key(topic, partition)]
    }


async def record_trips(conn: Connection, trips: Mapping[Key, BreakerTrip]) -> dict[Key, int]:
    """Record that these partitions are stopped; return the offset below which bad messages do not count, for each."""
    rows = [(*key, *trip) for key, trip in trips.items()]
    columns = list(map(list, zip(*rows, strict=True)))
    await conn.execute(_RECORD_TRIPS, *columns)
    found = await conn.fetch(_RESUME_OFFSET, *columns[:2])
    return {Key(topic, partition): resume_offset for topic, partition, resume_offset in found}
