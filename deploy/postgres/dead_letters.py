"""The dead letters in Postgres, as the command line reads and marks them.

Times are `timestamptz`. A dead letter is never deleted or changed here, only marked as replayed.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from shared.postgres import connections
from shared.postgres.connections import SingleConnection

PAGE = 50
"""Letters that are read at once; each has up to a mebibyte."""

COMMAND_S = 30.0
"""Longest time for one statement."""

_CHOSEN = """
SELECT {what} FROM dead_letter
WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR code = $2)
    AND ($3::timestamptz IS NULL OR received_at >= $3)
    AND ($4::text[] IS NULL OR topic || '/' || partition || '/' || "offset" = ANY($4))
    AND (NOT $5 OR replayed_at IS NULL) {rest}
"""

_LETTER = """
topic, partition, "offset", code, reason, received_at, replayed_at, replays, octet_length(value)"""

_LISTED = _CHOSEN.format(
    what=_LETTER, rest='ORDER BY received_at DESC, topic, partition, "offset" DESC LIMIT $6'
)

_COUNTED = _CHOSEN.format(
    what="topic, code, count(*), count(replayed_at)", rest="GROUP BY 1, 2 ORDER BY 1, 2"
)

_PAGE = _CHOSEN.format(
    what=_LETTER + ", value",
    rest='AND value IS NOT NULL AND (topic, partition, "offset") > ($6, $7, $8) '
    'ORDER BY topic, partition, "offset" LIMIT $9',
)

_MARK = """
UPDATE dead_letter SET replayed_at = now(), replays = replays + 1
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS done (topic, partition, "offset")
WHERE (dead_letter.topic, dead_letter.partition, dead_letter."offset") = (done.topic, done.partition, done."offset")
"""

Connection: TypeAlias = SingleConnection
Place: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The dead letters that are meant; None: any."""

    topic: str | None = None
    code: str | None = None
    since: datetime | None = None
    ids: Sequence[str] | None = None
    waiting: bool = False
    """Only those that were never published again."""


class DeadLetter(NamedTuple):
    """A dead letter without its bytes."""

    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    received_at: datetime
    replayed_at: datetime | None
    replays: int
    size: int | None
    """Bytes; None: there was no record to be kept."""

    @property
    def id(self) -> str:
        """The place it came from, which names it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class Count(NamedTuple):
    """Letters of a topic with one code."""

    topic: str
    code: str
    dead_letters: int
    replayed: int


def opened(dsn: str) -> AbstractAsyncContextManager[Connection]:
    """A connection; raises `Unavailable`."""
    return connections.single(dsn, command_s=COMMAND_S)


async def listed(conn: Connection, choice: Choice, limit: int) -> list[DeadLetter]:
    """The newest ones of the choice."""
    return [DeadLetter(*row) for row in await conn.fetch(_LISTED, *_arguments(choice), limit)]


async def counts(conn: Connection, choice: Choice) -> list[Count]:
    """How many there are, by topic and code."""
    return [Count(*row) for row in await conn.fetch(_COUNTED, *_arguments(choice))]


async def page(conn: Connection, choice: Choice, after: Place) -> list[tuple[DeadLetter, bytes]]:
    """The next few that have bytes, in the order of their places."""
    rows = await conn.fetch(_PAGE, *_arguments(choice), *after, PAGE)
    return [(DeadLetter(*row[:-1]), row[-1]) for row in map(tuple, rows)]


async def mark(conn: Connection, places: Sequence[Place]) -> None:
    """Note that these were published again."""
    await conn.execute(_MARK, *map(list, zip(*places, strict=True)))


def _arguments(choice: Choice) -> tuple[object, ...]:
    ids = None if choice.ids is None else list(choice.ids)
    return choice.topic, choice.code, choice.since, ids, choice.waiting
