"""Ownership and checkpoints in Postgres: the table `partition_state` decides; Kafka's committed offsets are a mirror.

Rows are always locked in the order of their keys. Invariant: of two owners of a partition only the one with the newer
epoch can commit, and only when the checkpoint is where its cut starts.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.ledger import table as ledger
from shared.postgres.connections import Connection, Pool, connection
from shared.runtime import failpoint
from shared.stream.containment import breaker_store, death_store
from shared.stream.containment.breaker import BreakerTrip
from shared.stream.containment.breaker_store import Decision
from shared.stream.dead_letters import dead_lettered_in
from shared.stream.eviction import evicting
from shared.stream.log.expected import COLUMNS, logs_of, recorded
from shared.stream.log.identity import LastRecord, LogIdentity
from shared.stream.processor import Cut, Key, Stored

_COLUMNS = (
    f"topic, partition, epoch, next_offset, watermark_ms, seen, snapshot, offset_base, attempts, {COLUMNS}"
)

_ACQUIRE = f"""
INSERT INTO partition_state (topic, partition, epoch, owner, next_offset, seen, attempts)
SELECT topic, partition, 1, $3, 0, '', 1
FROM unnest($1::text[], $2::integer[]) AS wanted (topic, partition) ORDER BY topic, partition
ON CONFLICT (topic, partition) DO UPDATE
SET epoch = partition_state.epoch + 1, owner = excluded.owner, updated_at = now(),
    attempts = partition_state.attempts + (partition_state.owner NOT IN (excluded.owner, ''))::integer
RETURNING {_COLUMNS}
"""  # noqa: S608 # the text is a constant

_LATEST = """
SELECT topic, partition, epoch FROM partition_state
JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
WHERE owner = $3
"""

_MOVE = """
WITH cut AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                         $7::bytea[], $8::bytea[], $9::text[], $10::uuid[], $11::integer[], $12::integer[],
                         $13::bigint[], $14::bigint[], $15::bytea[])
        AS cut (topic, partition, epoch, first, next_offset, watermark_ms, seen, snapshot,
                cluster_id, topic_id, partitions, routed_by, last_offset, last_appended_ms, last_checksum)
), mine AS (
    SELECT s.topic, s.partition FROM partition_state s JOIN cut USING (topic, partition)
    WHERE s.epoch = cut.epoch AND s.next_offset = cut.first
    ORDER BY s.topic, s.partition FOR UPDATE OF s
)
UPDATE partition_state s
SET next_offset = cut.next_offset, watermark_ms = cut.watermark_ms, seen = cut.seen, snapshot = cut.snapshot,
    cluster_id = cut.cluster_id, topic_id = cut.topic_id, partitions = cut.partitions, routed_by = cut.routed_by,
    last_offset = cut.last_offset, last_appended_ms = cut.last_appended_ms, last_checksum = cut.last_checksum,
    updated_at = now(), attempts = 0
FROM mine JOIN cut USING (topic, partition)
WHERE s.topic = mine.topic AND s.partition = mine.partition AND s.epoch = cut.epoch AND s.next_offset = cut.first
RETURNING s.topic, s.partition
"""

_COMMITTED = """
SELECT s.topic, s.partition FROM partition_state s
JOIN unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS cut (topic, partition, epoch, next_offset)
USING (topic, partition)
WHERE s.epoch = cut.epoch AND s.next_offset = cut.next_offset
"""

_RELEASED = """
SELECT topic, partition FROM partition_state
JOIN unnest($1::text[], $2::integer[], $3::boolean[]) AS wanted (topic, partition, stopped) USING (topic, partition)
WHERE owner = '' OR (stopped AND owner <> $4)
"""

_DEAD_LETTER = """
INSERT INTO dead_letter (topic, partition, "offset", code, reason, value, producer)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::text[])
ON CONFLICT DO NOTHING
"""

_NO_LOG = (None,) * len(LogIdentity._fields)
_NO_RECORD = (None,) * len(LastRecord._fields)

F = TypeVar("F")

Restore = Callable[[Connection, Mapping[Key, Stored]], Awaitable[F]]
"""Reads, inside the given transaction, what is stored beside the checkpoints."""

Write = Callable[[Connection, Sequence[Cut[Any]]], Awaitable[None]]
"""Writes the work of cuts in the given transaction, then publishes it; a failure rolls the transaction back."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the cuts of one commit."""

    done: frozenset[Key]
    """Committed, by this transaction or by an earlier one whose answer was lost."""
    fenced: frozenset[Key]
    """Refused: the partition has another owner."""


class Ownership:
    """Acquires partitions for one process and commits its cuts."""

    def __init__(self, pool: Pool, owner: str) -> None:
        self._pool = pool
        self.owner = owner

    async def acquire(self, keys: Sequence[Key], restore: Restore[F]) -> tuple[dict[Key, Stored], F]:
        """Take ownership and read the checkpoints; an open transaction of a predecessor is ended after a short wait."""
        topics, partitions = [key.topic for key in keys], [key.partition for key in keys]
        async with connection(self._pool) as conn, conn.transaction():
            async with evicting(self._pool, conn):
                rows = await conn.fetch(_ACQUIRE, topics, partitions, self.owner)
            siblings = await logs_of(conn, topics)
            stored = {
                Key(topic, partition): _stored(rest, siblings[topic]) for topic, partition, *rest in rows
            }
            stored = await breaker_store.recall(conn, stored)
            stored = await death_store.recall(conn, stored)
            failpoint.hit("raised")
            folds = await restore(conn, stored)
            failpoint.hit("restored")
        return stored, folds

    async def commit(self, cuts: Sequence[Cut[Any]], write: Write) -> Outcome:
        """Commit all cuts in one transaction; leave out and report those whose checkpoint another owner has moved.

        Raises `Unavailable` when the result is unknown: calling again with the same cuts is then safe, for what
        was committed is recognised by its checkpoint.
        """
        async with connection(self._pool) as conn, conn.transaction():
            failpoint.hit("begun")
            moved = await _move(conn, cuts)
            failpoint.hit("moved")
            won = [cut for cut in cuts if cut.key in moved]
            if won:
                await _record_dead_letters(conn, won)
                await ledger.add(conn, {cut.key: dead_lettered_in(cut) for cut in won if cut.dead})
                failpoint.hit("dead_letters_recorded")
                await write(conn, won)
            rest = [cut for cut in cuts if cut.key not in moved]
            known = await _committed_before(conn, rest) if rest else frozenset()
        failpoint.hit("committed")
        return Outcome(moved | known, frozenset(cut.key for cut in rest) - known)

    async def latest_epochs(self, keys: Sequence[Key]) -> dict[Key, int]:
        """The epochs of those whose latest owner is this process. Raises `Unavailable`."""
        topics, partitions = [key.topic for key in keys], [key.partition for key in keys]
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_LATEST, topics, partitions, self.owner)
        return {Key(topic, partition): epoch for topic, partition, epoch in rows}

    async def stopped(self, trips: Mapping[Key, BreakerTrip]) -> dict[Key, Decision]:
        """Record stopped partitions; return what an operator decided of each. Raises `Unavailable`."""
        async with connection(self._pool) as conn:
            return await breaker_store.record_trips(conn, trips)

    async def released(self, fenced: Collection[Key], stopped: Collection[Key]) -> set[Key]:
        """Those to be acquired anew: an operator has reset them, or one that is stopped has another owner by now.

        A stopped partition commits nothing that could be refused. Raises `Unavailable`.
        """
        rows = [(*key, False) for key in fenced] + [(*key, True) for key in stopped]
        columns = map(list, zip(*rows, strict=True))
        async with connection(self._pool) as conn:
            rows = await conn.fetch(_RELEASED, *columns, self.owner)
        return {Key(*row) for row in rows}


async def _move(conn: Connection, cuts: Sequence[Cut[Any]]) -> frozenset[Key]:
    columns = zip(*map(_columns, cuts), strict=True)
    return frozenset(Key(*row) for row in await conn.fetch(_MOVE, *map(list, columns)))


def _columns(cut: Cut[Any]) -> tuple[Any, ...]:
    state = cut.checkpoint
    return (
        *(*cut.key, cut.epoch, cut.start, cut.end, state.watermark_ms, state.seen, state.snapshot),
        *(cut.log or _NO_LOG),
        *(cut.last or _NO_RECORD),
    )


def _stored(row: Sequence[Any], siblings: tuple[LogIdentity, ...]) -> Stored:
    epoch, next_offset, watermark_ms, seen, snapshot, offset_base, attempts, *rest = row
    log, last = recorded(rest)
    return Stored(
        epoch,
        next_offset,
        watermark_ms,
        seen,
        snapshot,
        attempts=attempts,
        log=log,
        last=last,
        offset_base=offset_base,
        siblings=siblings,
    )


async def _committed_before(conn: Connection, cuts: Sequence[Cut[Any]]) -> frozenset[Key]:
    columns = zip(*((*cut.key, cut.epoch, cut.end) for cut in cuts), strict=True)
    return frozenset(Key(*row) for row in await conn.fetch(_COMMITTED, *map(list, columns)))


async def _record_dead_letters(conn: Connection, cuts: Sequence[Cut[Any]]) -> None:
    rows = [
        (*cut.key, dead.offset, dead.code, dead.reason, dead.value, dead.producer)
        for cut in cuts
        for dead in cut.dead
    ]
    if rows:
        # One statement: between those of `executemany`, Postgres sees no idle transaction that it could end.
        await conn.execute(_DEAD_LETTER, *map(list, zip(*rows, strict=True)))
