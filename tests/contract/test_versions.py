"""What is of a version from the future stops its partition and no other, on a real Postgres: nothing is skipped."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

import pytest
import pytest_asyncio

from deploy.postgres.partitions import listed, resume
from shared.errors import Misconfigured, UnknownVersion
from shared.postgres import connections
from shared.postgres.connections import Connection, SingleConnection
from shared.stream.owned import readable
from shared.stream.ownership import Ownership
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.stream.pump import Pump
from tests.support.logs import FakeLog

REASON = "of version 9; this build reads 4 and 5: upgrade this service, then the partition goes on by itself"


@dataclass
class Text:
    """A fold that concatenates values; a build that does not know version 9 cannot read what begins with a 9."""

    text: str
    known: tuple[int, ...]
    urgent: bool = False
    waiting_bytes: int = 0

    def fold(self, record: Record) -> None:
        """Take a value in."""
        value = (record.value or b"").decode()
        if value == "9" and 9 not in self.known:
            raise UnknownVersion("text", 9, self.known)
        self.text += value

    def pass_over(self, record: Record) -> None:
        """Nothing."""

    def pass_gap(self) -> None:
        """Nothing."""

    def checkpoint(self) -> Checkpoint[str]:
        """All values so far."""
        return Checkpoint(self.text, 1, b"", self.text.encode())


@dataclass
class Build:
    """A processor of a build that knows some versions."""

    known: tuple[int, ...] = (4, 5)
    saved: list[str] = field(default_factory=list)

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> Mapping[Key, Text | UnknownVersion]:
        """The texts of the snapshots."""

        def restored(key: Key) -> Text:
            text = (stored[key].snapshot or b"").decode()
            if text.startswith("9") and 9 not in self.known:
                raise UnknownVersion("snapshot", 9, self.known)
            return Text(text, self.known)

        return readable(stored, restored)

    async def save(self, connection: Connection, cuts: Sequence[Cut[str]]) -> None:
        """Keep it."""
        self.saved += [cut.checkpoint.work for cut in cuts]

    async def publish(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""

    async def settled(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""


NEWER = (5, 9)


@pytest_asyncio.fixture
async def keys(pool: connections.Pool) -> AsyncIterator[list[Key]]:
    """Two partitions that no other test knows; nobody is told of their stops afterwards."""
    topic = f"topic-{uuid4().hex}"
    yield [Key(topic, 0), Key(topic, 1)]
    async with connections.connection(pool) as conn:
        await conn.execute("DELETE FROM breaker WHERE topic = $1", topic)


def records(text: str, first: int = 0) -> list[Record]:
    """A record a character."""
    return [Record(first + i, 1, char.encode()) for i, char in enumerate(text)]


async def pumping(pool: connections.Pool, keys: list[Key], *known: int) -> tuple[Pump[str], Build]:
    """A pump of a build that owns the partitions."""
    build = Build(known or (4, 5))
    pump = Pump(build, Ownership(pool, "a"), FakeLog())
    pump.install(await pump.acquire(keys))
    return pump, build


async def reported(pool: connections.Pool, keys: list[Key]) -> list[tuple[int, int, str]]:
    """What an operator is told of: partition, offset and reason."""
    async with connections.connection(pool) as conn:
        found = await listed(cast(SingleConnection, conn), keys[0].topic, stopped=True)
    return [(each.partition, each.stop.offset, each.stop.reason) for each in found if each.stop]


async def dead_letters_of(pool: connections.Pool, keys: list[Key]) -> int:
    """Dead letters of these partitions."""
    async with connections.connection(pool) as conn:
        return int(await conn.fetchval("SELECT count(*) FROM dead_letter WHERE topic = $1", keys[0].topic))


async def test_a_message_from_the_future_stops_its_partition_alone(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """What came before is committed, what comes after waits; it is no dead letter, and the other goes on."""
    first, second = keys
    pump, build = await pumping(pool, keys)
    assert pump.take(first, records("ab9c"))
    assert pump.take(first, records("d", 4))
    assert pump.take(second, records("xyz"))

    assert {first: 2, second: 3} == await pump.commit()
    await pump.resume()

    assert {"ab", "xyz"} == set(build.saved)
    assert [(0, 2, f"text {REASON}")] == await reported(pool, keys)
    assert (0, 0) == (await dead_letters_of(pool, keys), len(pump.owned[first].breaker._bad))


async def test_a_snapshot_from_the_future_stops_its_partition_alone(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """All others are acquired; of it nothing is written but the epoch."""
    first, second = keys
    newer, _ = await pumping(pool, keys, *NEWER)
    newer.take(first, records("9a"))
    newer.take(second, records("x"))
    await newer.commit()

    pump, build = await pumping(pool, keys)
    assert pump.take(first, records("b", 2))
    assert pump.take(second, records("y", 1))
    assert {second: 2} == await pump.commit()
    await pump.resume()

    assert ["xy"] == build.saved
    assert [(0, 2, f"snapshot {REASON}")] == await reported(pool, keys)
    pump.owned[first].pass_gap(5)
    assert (2, []) == (pump.owned[first].next, pump.owned[first].dead)
    async with connections.connection(pool) as conn:
        row = await conn.fetchrow(
            "SELECT epoch, next_offset, snapshot FROM partition_state WHERE (topic, partition) = ($1, $2)",
            *first,
        )
    assert (2, 2, b"9a") == tuple(row or ())


@pytest.mark.parametrize("text", ["ab9c", "9abc"], ids=["message", "snapshot"])
async def test_a_newer_build_goes_on_where_the_older_one_stood(
    pool: connections.Pool, keys: list[Key], text: str
) -> None:
    """By itself; nobody is told of the stop any more."""
    first = keys[0]
    if text.startswith("9"):
        newer, _ = await pumping(pool, keys, *NEWER)
        newer.take(first, records(text[:2]))
        await newer.commit()
    older, _ = await pumping(pool, keys)
    older.take(first, records(text))
    await older.commit()
    await older.resume()
    assert 1 == len(await reported(pool, keys))

    newer, build = await pumping(pool, keys, *NEWER)
    newer.take(first, records(text))
    await newer.commit()
    await newer.resume()

    assert [text] == build.saved
    assert ([], 0) == (await reported(pool, keys), await dead_letters_of(pool, keys))


async def test_an_operator_cannot_resume_what_a_build_cannot_read(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """Nothing would be skipped by it, so it is refused, and still told."""
    pump, _ = await pumping(pool, keys)
    pump.take(keys[0], records("9"))
    await pump.resume()

    async with connections.connection(pool) as conn:
        with pytest.raises(Misconfigured, match="upgrade"):
            await resume(cast(SingleConnection, conn), *keys[0], 0)
    await pump.resume()

    assert (1, []) == (len(await reported(pool, keys)), pump.rewinds())
