"""The partitions in Postgres, as the command line reads, resumes, skips and resets them.

Offsets are Kafka's, times `timestamptz`. Invariant: each command is one transaction, after which the tables are as a
worker could have left them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.errors import Misconfigured
from shared.postgres.connections import SingleConnection
from shared.stream.containment.breaker import (
    ANOTHER_LOG,
    BAD_MESSAGES,
    BY_ITSELF,
    DEATHS,
    UNKNOWN_STATE,
    UNKNOWN_VERSION,
    remedy,
)
from shared.stream.containment.breaker_store import STOPPED_PRODUCERS, UNCOUNTED
from shared.stream.processor import PRODUCER_STOPPED

_LISTED = """
SELECT topic, partition, owner, next_offset, to_timestamp(watermark_ms / 1000.0) AS watermark, p.updated_at,
       b.stopped_at, b.reason, b.kind, b.stopped_since, p.offset_base
FROM partition_state p FULL JOIN (SELECT * FROM breaker WHERE stopped_at IS NOT NULL) b USING (topic, partition)
WHERE ($1::text IS NULL OR topic = $1) AND ($2::integer IS NULL OR partition = $2)
    AND (NOT $3 OR b.stopped_at IS NOT NULL)
ORDER BY topic, partition
"""

_DEATHS = """
SELECT "offset", until, deaths, error, died_at FROM worker_death WHERE topic = $1 AND partition = $2 ORDER BY "offset"
"""

_SKIPS = 'SELECT "offset" FROM skipped_record WHERE topic = $1 AND partition = $2 ORDER BY "offset"'

_STOP = """
SELECT stopped_at, reason, kind FROM breaker WHERE topic = $1 AND partition = $2 AND stopped_at IS NOT NULL FOR UPDATE
"""

_GO_ON = """
UPDATE breaker SET let_through = greatest(let_through, $3), stopped_at = NULL, reason = NULL, kind = NULL,
                   stopped_since = NULL
WHERE topic = $1 AND partition = $2 RETURNING let_through
"""

_FORGET_DEATHS = "DELETE FROM worker_death WHERE topic = $1 AND partition = $2"

_SKIP = """
INSERT INTO skipped_record (topic, partition, "offset", reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""

_RESET = """
UPDATE partition_state SET epoch = epoch + 1, owner = '', next_offset = $3 + offset_base, attempts = 0,
                           last_offset = NULL, updated_at = now()
WHERE topic = $1 AND partition = $2 RETURNING next_offset
"""

_KEEP_GROUPS = "UPDATE prepared_group SET epoch = epoch + 1 WHERE topic = $1 AND partition = $2"
"""No owner has come in between that kept none."""

_RESET_BREAKER = """
UPDATE breaker SET let_through = $3, stopped_at = NULL, reason = NULL, kind = NULL, stopped_since = NULL
WHERE topic = $1 AND partition = $2
"""

_DROP_STATE = (
    "UPDATE partition_state SET watermark_ms = NULL, seen = '', snapshot = NULL WHERE topic = $1 AND partition = $2",
    "DELETE FROM open_window WHERE topic = $1 AND partition = $2",
    "DELETE FROM batch_id WHERE topic = $1 AND partition = $2",
    "DELETE FROM alert_instance WHERE topic = $1 AND partition = $2",
    "DELETE FROM alert_window WHERE topic = $1 AND partition = $2",
    "DELETE FROM alert_coverage WHERE topic = $1 AND partition = $2",
)
"""Everything that a checkpoint keeps besides its offset: watermark, producers, open windows, running totals, batch ids;
of a partition of windows, its alerts and what they look back on."""


class Stop(NamedTuple):
    """Where and why a partition is stopped."""

    offset: int
    reason: str
    kind: str
    since: datetime | None = None


class Partition(NamedTuple):
    """A partition as its checkpoint and its breaker have it."""

    topic: str
    partition: int
    owner: str
    """Empty: nobody has acquired it since it was reset."""
    next_offset: int | None
    """None: it was never read."""
    watermark: datetime | None
    updated_at: datetime | None
    stop: Stop | None
    """None: it is not stopped."""
    offset_base: int = 0
    """Offset here minus offset in Kafka."""

    @property
    def remedy(self) -> str:
        """What to do about its stop."""
        return remedy(self.stop.kind, self.topic, self.partition) if self.stop else ""


class StoppedProducer(NamedTuple):
    """A producer whose messages were bad beyond the limits."""

    topic: str
    partition: int
    producer: str
    bad: int
    """Bad messages of it among the latest."""


class DeathRow(NamedTuple):
    """What ended workers at one place."""

    offset: int
    until: int
    deaths: int
    error: str
    died_at: datetime


async def listed(
    conn: SingleConnection, topic: str | None, partition: int | None = None, *, stopped: bool = False
) -> list[Partition]:
    """The partitions, all or those of a topic, or only those that are stopped."""
    rows = await conn.fetch(_LISTED, topic, partition, stopped)
    return [
        Partition(
            row["topic"], row["partition"], row["owner"] or "", row["next_offset"], row["watermark"], row["updated_at"],
            stop_of(row["stopped_at"], row["reason"], row["kind"], row["stopped_since"]), row["offset_base"] or 0,
        )
        for row in rows
    ]  # fmt: skip


async def stopped_producers(conn: SingleConnection, topics: Sequence[str]) -> list[StoppedProducer]:
    """The producers whose messages become dead letters now."""
    uncounted = [*UNCOUNTED, PRODUCER_STOPPED]
    return [StoppedProducer(*row) for row in await conn.fetch(STOPPED_PRODUCERS, topics, uncounted)]


async def deaths(conn: SingleConnection, topic: str, partition: int) -> list[DeathRow]:
    """What has ended its workers and is not committed."""
    return [DeathRow(*row) for row in await conn.fetch(_DEATHS, topic, partition)]


async def skips(conn: SingleConnection, topic: str, partition: int) -> list[int]:
    """The records that are skipped and not committed."""
    return [row["offset"] for row in await conn.fetch(_SKIPS, topic, partition)]


async def resume(conn: SingleConnection, topic: str, partition: int, through: int) -> int:
    """Let a partition go on; the offset below which bad messages do not stop it. Raises `Misconfigured`.

    What has ended its workers is tried again.
    """
    async with conn.transaction():
        stop = await _stop(conn, topic, partition)
        if stop.kind in (UNKNOWN_VERSION, UNKNOWN_STATE):
            raise Misconfigured(f"{topic} {partition} is stopped by {stop.reason}")
        if stop.kind == ANOTHER_LOG:
            raise Misconfigured(f"{topic} {partition}: {stop.reason}; {remedy(stop.kind, topic, partition)}")
        await conn.execute(_FORGET_DEATHS, topic, partition)
        offset = max(stop.offset, through) if stop.kind == BAD_MESSAGES else through
        return int(await conn.fetchval(_GO_ON, topic, partition, offset))


async def skip(conn: SingleConnection, topic: str, partition: int, offset: int | None) -> int:
    """Make the record that a partition is stopped before a dead letter; its offset. Raises `Misconfigured`."""
    async with conn.transaction():
        stop = await _stop(conn, topic, partition)
        if stop.kind not in (DEATHS, UNKNOWN_VERSION):
            raise Misconfigured(
                f"{topic} {partition} is not stopped by one record: {remedy(stop.kind, topic, partition)}"
            )
        if offset not in (None, stop.offset):
            raise Misconfigured(f"{topic} {partition} is stopped at {stop.offset}, not at {offset}")
        await conn.execute(_SKIP, topic, partition, stop.offset, stop.reason)
        await conn.execute(_FORGET_DEATHS, topic, partition)
        await conn.execute(_GO_ON, topic, partition, 0)
    return stop.offset


async def reset(
    conn: SingleConnection, topic: str, partition: int, offset: int, *, without_state: bool
) -> None:
    """Put a partition to an offset of the log as it is now; its owner acquires it anew. Raises `Misconfigured`."""
    async with conn.transaction():
        next_offset = await conn.fetchval(_RESET, topic, partition, offset)
        if next_offset is None:
            raise Misconfigured(
                f"{topic} {partition} was never read: `tidegauge partitions list` names what was"
            )
        for statement in (_KEEP_GROUPS, *(_DROP_STATE if without_state else ())):
            await conn.execute(statement, topic, partition)
        for table in ("worker_death", "skipped_record"):
            await conn.execute(f"DELETE FROM {table} WHERE topic = $1 AND partition = $2", topic, partition)  # noqa: S608
        await conn.execute(_RESET_BREAKER, topic, partition, next_offset)


def stop_of(
    offset: int | None, reason: str | None, kind: str | None, since: datetime | None = None
) -> Stop | None:
    """A stop as the table has it; None: there is none. Builds that wrote no kind knew two."""
    if offset is None:
        return None
    older = UNKNOWN_VERSION if (reason or "").endswith(BY_ITSELF) else BAD_MESSAGES
    return Stop(offset, reason or "", kind or older, since)


async def _stop(conn: SingleConnection, topic: str, partition: int) -> Stop:
    row = await conn.fetchrow(_STOP, topic, partition)
    stop = stop_of(*row) if row else None
    if stop is None:
        raise Misconfigured(f"{topic} {partition} is not stopped: `tidegauge partitions list` names what is")
    return stop


def stopped_first(found: Sequence[Partition]) -> list[Partition]:
    """Those that are stopped, then the others, each by topic and number."""
    return sorted(found, key=lambda each: (each.stop is None, each.topic, each.partition))
