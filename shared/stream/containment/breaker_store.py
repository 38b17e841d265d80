"""The table `breaker`: it shows which partitions are stopped, and stores what an operator decided of them.

Offsets are Kafka's. A trip is written for people to see; a new owner derives it again from the dead letters, the deaths
and the checkpoint. Invariant: a trip that an operator has answered is not written again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.postgres.connections import Connection
from shared.stream.containment.breaker import (
    ANOTHER_LOG,
    BAD_MESSAGES,
    BY_ITSELF,
    DEATHS,
    MAX_BAD,
    MAX_EARLY,
    RESTORE,
    WINDOW,
    BadMessage,
    BreakerTrip,
)
from shared.stream.containment.death_store import skips_of
from shared.stream.containment.deaths import MAX_DEATHS
from shared.stream.processor import PRODUCER_STOPPED, RETENTION_GAP, SKIPPED, Key, Stored

UNCOUNTED = (RETENTION_GAP, SKIPPED)
"""Codes of dead letters that no breaker counts: nobody has judged the record."""

_BEFORE = """
SELECT at.topic, at.partition, coalesce(b.let_through, 0),
       ARRAY(SELECT (d."offset", coalesce(d.producer, ''), d.code <> $6) FROM dead_letter d
             WHERE d.topic = at.topic AND d.partition = at.partition AND d.code <> ALL($4)
                 AND d."offset" >= at.next_offset - $5 AND d."offset" < at.next_offset
             ORDER BY d."offset")
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS at (topic, partition, next_offset)
    LEFT JOIN breaker b USING (topic, partition)
"""

STOPPED_PRODUCERS = f"""
SELECT d.topic, d.partition, d.producer, count(*)
FROM partition_state p LEFT JOIN breaker b USING (topic, partition)
    JOIN dead_letter d ON d.topic = p.topic AND d.partition = p.partition AND d."offset" < p.next_offset
        AND d."offset" >= greatest(p.next_offset - {WINDOW}, coalesce(b.let_through, 0))
WHERE p.topic = ANY($1) AND d.producer <> '' AND d.code <> ALL($2)
GROUP BY d.topic, d.partition, d.producer, p.next_offset, b.let_through
HAVING count(*) >= {MAX_EARLY} OR count(*) > {MAX_BAD} AND p.next_offset - coalesce(b.let_through, 0) >= {WINDOW}
ORDER BY d.topic, d.partition, d.producer
"""  # noqa: S608 # the numbers are constants
"""The producers that are stopped where the partitions stand now, with their bad messages: what `Breaker` says."""

_ENDING = f"""
EXISTS (SELECT FROM worker_death d WHERE d.topic = trip.topic AND d.partition = trip.partition
        AND d."offset" = trip.stopped_at AND d.deaths >= {MAX_DEATHS})
"""  # the number is a constant

_RECORD_TRIPS = f"""
WITH trip AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[])
        AS trip (topic, partition, stopped_at, reason, kind)
)
INSERT INTO breaker AS stored (topic, partition, stopped_at, reason, kind, stopped_since)
SELECT trip.*, now() FROM trip LEFT JOIN breaker b USING (topic, partition)
WHERE CASE WHEN trip.kind = '{BAD_MESSAGES}' THEN coalesce(b.let_through, 0) < trip.stopped_at
           WHEN trip.kind IN ('{DEATHS}', '{RESTORE}') THEN {_ENDING}
           ELSE NOT EXISTS (SELECT FROM skipped_record s WHERE s.topic = trip.topic AND s.partition = trip.partition
                            AND s."offset" = trip.stopped_at)
      END
ON CONFLICT (topic, partition) DO UPDATE
SET stopped_at = excluded.stopped_at, reason = excluded.reason, kind = excluded.kind, stopped_since = now()
WHERE (stored.stopped_at, stored.reason) IS DISTINCT FROM (excluded.stopped_at, excluded.reason)
"""  # noqa: S608 # the texts are constants

_FORGET = f"""
UPDATE breaker AS stored SET stopped_at = NULL, reason = NULL, kind = NULL, stopped_since = NULL
FROM unnest($1::text[], $2::integer[]) AS acquired (topic, partition)
WHERE (stored.topic, stored.partition) = (acquired.topic, acquired.partition)
    AND (reason LIKE '%{BY_ITSELF}' OR kind = '{ANOTHER_LOG}')
"""  # noqa: S608 # the text is a constant
"""A new owner may be able to read what the previous one could not, and compares the log anew; if the partition is still
stopped, it records the trip again."""

_DECISIONS = f"""
SELECT topic, partition, let_through, {_ENDING} FROM breaker
JOIN unnest($1::text[], $2::integer[], $3::bigint[]) AS trip (topic, partition, stopped_at) USING (topic, partition)
"""  # noqa: S608 # the text is a constant


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator decided of a stopped partition, as far as anything was decided."""

    resume_offset: int = 0
    """Bad messages below it do not stop the partition."""
    skips: frozenset[int] = frozenset()
    """Records that become dead letters, whatever they are."""
    deaths: bool = False
    """Whether the deaths that stopped it still stand."""

    def answers(self, trip: BreakerTrip) -> bool:
        """Whether the partition goes on."""
        if trip.offset in self.skips:
            return True
        if trip.kind in (DEATHS, RESTORE):
            return not self.deaths
        return trip.kind == BAD_MESSAGES and self.resume_offset >= trip.offset


async def recall(conn: Connection, stored: Mapping[Key, Stored]) -> dict[Key, Stored]:
    """The checkpoints with the state of their breakers; trips that a new owner judges anew are deleted."""
    if not stored:
        return {}
    columns = list(map(list, zip(*((*key, at.next_offset) for key, at in stored.items()), strict=True)))
    await conn.execute(_FORGET, *columns[:2])
    rows = await conn.fetch(_BEFORE, *columns, UNCOUNTED, WINDOW, PRODUCER_STOPPED)
    return {
        key: replace(stored[key], resume_offset=resume_offset, bad=tuple(BadMessage(*one) for one in bad))
        for topic, partition, resume_offset, bad in rows
        for key in [Key(topic, partition)]
    }


async def record_trips(conn: Connection, trips: Mapping[Key, BreakerTrip]) -> dict[Key, Decision]:
    """Record that these partitions are stopped; return what an operator has decided of each."""
    rows = [(*key, *trip) for key, trip in trips.items()]
    columns = list(map(list, zip(*rows, strict=True)))
    await conn.execute(_RECORD_TRIPS, *columns)
    skips = await skips_of(conn, trips)
    found = {key: Decision(0, frozenset(skips[key])) for key in trips}
    for topic, partition, resume_offset, deaths in await conn.fetch(_DECISIONS, *columns[:3]):
        key = Key(topic, partition)
        found[key] = Decision(resume_offset, frozenset(skips[key]), deaths)
    return found
