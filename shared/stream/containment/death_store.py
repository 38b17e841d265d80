"""The tables `worker_death` and `skipped_record`: what ended workers, and what an operator skips.

Offsets are Kafka's. A row below the checkpoint means nothing any more; the next acquisition deletes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shared.postgres.connections import Connection, Pool, connection
from shared.stream.containment.deaths import Death
from shared.stream.processor import Key, Stored

MAX_ERROR = 2_000
"""Longest text of an error that is kept, in characters."""

_PASSED = """
DELETE FROM {table} old USING unnest($1::text[], $2::integer[], $3::bigint[]) AS at (topic, partition, next_offset)
WHERE old.topic = at.topic AND old.partition = at.partition AND old."offset" < at.next_offset
"""

_DEATHS = """
SELECT topic, partition, "offset", until, deaths, error FROM worker_death
JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
ORDER BY topic, partition, "offset"
"""

_SKIPS = """
SELECT topic, partition, "offset" FROM skipped_record
JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
"""

_NOTE = """
INSERT INTO worker_death (topic, partition, "offset", until, deaths, error) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (topic, partition, "offset", until) DO UPDATE
SET deaths = excluded.deaths, error = excluded.error, died_at = now()
"""

_CLEAR = 'DELETE FROM worker_death WHERE topic = $1 AND partition = $2 AND "offset" = $3 AND until = $4'


async def recall(conn: Connection, stored: Mapping[Key, Stored]) -> dict[Key, Stored]:
    """The checkpoints with what ended workers beyond them, and what is skipped; what is passed is deleted."""
    if not stored:
        return {}
    at = list(map(list, zip(*((*key, one.next_offset) for key, one in stored.items()), strict=True)))
    for table in ("worker_death", "skipped_record"):
        await conn.execute(_PASSED.format(table=table), *at)
    deaths: dict[Key, list[Death]] = {key: [] for key in stored}
    for topic, partition, *death in await conn.fetch(_DEATHS, *at[:2]):
        deaths[Key(topic, partition)].append(Death(*death))
    skips = await skips_of(conn, stored)
    return {
        key: replace(one, deaths=tuple(deaths[key]), skips=frozenset(skips[key]))
        for key, one in stored.items()
    }


async def skips_of(conn: Connection, keys: Iterable[Key]) -> dict[Key, set[int]]:
    """The offsets of each partition that an operator skips."""
    found: dict[Key, set[int]] = {key: set() for key in keys}
    columns = [key.topic for key in found], [key.partition for key in found]
    for topic, partition, offset in await conn.fetch(_SKIPS, *columns):
        found[Key(topic, partition)].add(offset)
    return found


class DeathTable:
    """Notes deaths, each in a transaction of its own: the work of the process that dies is rolled back."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, key: Key, death: Death) -> None:
        """Write a death, or a mark that becomes one if nobody clears it. Raises `Unavailable`."""
        error = death.error.replace("\0", "")[:MAX_ERROR]
        async with connection(self._pool) as conn:
            await conn.execute(_NOTE, *key, death.offset, death.until, death.deaths, error)

    async def clear(self, key: Key, span: tuple[int, int]) -> None:
        """The records from one offset up to another were folded, and the process lives. Raises `Unavailable`."""
        async with connection(self._pool) as conn:
            await conn.execute(_CLEAR, *key, *span)
