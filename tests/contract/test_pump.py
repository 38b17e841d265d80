"""The pump and its checkpoints on a real Postgres: holes, repeats, lost answers and lost partitions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

import pytest

from deploy.postgres.partitions import resume
from shared.errors import Rejected, Unavailable
from shared.postgres import connections
from shared.postgres.connections import Connection, SingleConnection
from shared.stream.containment.breaker import WINDOW
from shared.stream.ownership import Ownership
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.stream.pump import Pump
from tests.support.logs import FakeLog
from tests.support.wait import until


@dataclass
class Sum:
    """A fold that concatenates the values it is given."""

    text: str
    urgent: bool = False
    waiting_bytes: int = 0

    def fold(self, record: Record) -> None:
        """Take a value in; refuse an empty one."""
        if not record.value or record.value == b'{"producer":"p-1"}':
            raise Rejected("empty", "value: must not be empty")
        self.text += record.value.decode()

    def pass_over(self, record: Record) -> None:
        """Nothing."""

    def pass_gap(self) -> None:
        """Leave a mark."""
        self.text += "…"

    def checkpoint(self) -> Checkpoint[str]:
        """All values so far."""
        return Checkpoint(self.text, 1, b"", self.text.encode())


@dataclass
class Journal:
    """A processor that keeps what it was asked to publish and to save."""

    published: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    down: bool = False

    async def restore(self, connection: Connection, stored: Mapping[Key, Stored]) -> dict[Key, Sum]:
        """The texts of the snapshots."""
        return {key: Sum((at.snapshot or b"").decode()) for key, at in stored.items()}

    async def save(self, connection: Connection, cuts: Sequence[Cut[str]]) -> None:
        """Keep it."""
        self.saved += [cut.checkpoint.work for cut in cuts]

    async def publish(self, cuts: Sequence[Cut[str]]) -> None:
        """Keep it, unless the dependency is down."""
        if self.down:
            raise Unavailable("kafka", "down")
        self.published += [cut.checkpoint.work for cut in cuts]

    async def settled(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""


@pytest.fixture
def key() -> Key:
    """A partition that no other test knows."""
    return Key(f"topic-{uuid4().hex}", 0)


def records(text: str, first: int = 0) -> list[Record]:
    """A record a character."""
    return [Record(first + i, 1, char.strip().encode()) for i, char in enumerate(text)]


async def pumping(pool: connections.Pool, key: Key, owner: str = "a") -> tuple[Pump[str], Journal]:
    """A pump that holds the partition."""
    journal = Journal()
    pump = Pump(journal, Ownership(pool, owner), FakeLog())
    pump.install(await pump.acquire([key]))
    return pump, journal


async def test_folds_each_record_once(pool: connections.Pool, key: Key) -> None:
    """Records below the next offset are passed over, whatever the runtime delivers again."""
    pump, journal = await pumping(pool, key)
    assert pump.take(key, records("abc"))
    assert pump.take(key, records("bcd", 1))

    assert {key: 4} == await pump.commit()
    assert ["abcd"] == journal.saved


async def test_a_hole_stops_the_fold(pool: connections.Pool, key: Key) -> None:
    """A record beyond the next offset is not folded: the runtime is told to rewind."""
    pump, _ = await pumping(pool, key)
    pump.take(key, records("ab"))

    assert not pump.take(key, records("d", 3))
    assert (pump.owned[key].next, pump.hole() is None) == (2, False)

    assert pump.take(key, records("cd", 2))
    assert pump.hole() is None


async def test_successor_goes_on_from_the_checkpoint(pool: connections.Pool, key: Key) -> None:
    """State and offset are restored together; what was not committed is forgotten."""
    pump, _ = await pumping(pool, key)
    pump.take(key, records("ab"))
    await pump.commit()
    pump.take(key, records("X", 2))
    successor, journal = await pumping(pool, key, "b")
    successor.take(key, records("c", 2))
    await successor.commit()

    assert ["abc"] == journal.saved


async def test_commit_of_a_former_owner_writes_nothing(pool: connections.Pool, key: Key) -> None:
    """The epoch decides; the loser forgets the partition and says that it was fenced."""
    pump, journal = await pumping(pool, key)
    pump.take(key, records("ab"))
    await pumping(pool, key, "b")

    assert {} == await pump.commit()
    assert ([], [], {}) == (journal.saved, journal.published, pump.owned)
    assert pump.fenced() is not None


async def test_commit_whose_answer_was_lost_is_not_repeated(pool: connections.Pool, key: Key) -> None:
    """Committing the same cut again recognises that it is in the tables, and writes nothing."""
    ownership = Ownership(pool, "a")
    stored = (await ownership.acquire([key], Journal().restore))[0][key]
    cut = Cut(key, stored.epoch, 0, 5, Checkpoint("work", 1, b"", None))
    journal = Journal()
    first = await ownership.commit([cut], journal.save)

    second = await ownership.commit([cut], journal.save)

    assert (first, ["work"]) == (second, journal.saved)
    assert frozenset([key]) == second.done


async def test_a_predecessor_that_stands_still_is_ended(pool: connections.Pool, key: Key) -> None:
    """Also within a statement, where Postgres sees no idle transaction; what it had written is undone."""
    ownership, woken = Ownership(pool, "a"), asyncio.Event()
    stored = (await ownership.acquire([key], Journal().restore))[0][key]

    async def freeze(connection: Connection, _: Sequence[Cut[str]]) -> None:
        await connection.prepare("SELECT 1")
        await woken.wait()

    frozen = asyncio.create_task(
        ownership.commit([Cut(key, stored.epoch, 0, 5, Checkpoint("work", 1, b"", None))], freeze)
    )
    await until(lambda: _is_locked(pool, key), "the predecessor holds its row")
    successor = (await Ownership(pool, "b").acquire([key], Journal().restore))[0][key]
    woken.set()

    assert (2, 0) == (successor.epoch, successor.next_offset)
    with pytest.raises(Unavailable):
        await frozen


async def _is_locked(pool: connections.Pool, key: Key) -> bool:
    query = "SELECT FROM partition_state WHERE (topic, partition) = ($1, $2) FOR UPDATE SKIP LOCKED"
    async with connections.connection(pool) as conn:
        return not await conn.fetch(query, *key)


async def test_commit_that_failed_keeps_its_cut(pool: connections.Pool, key: Key) -> None:
    """After an outage the old cut goes first, and what was folded meanwhile follows."""
    pump, journal = await pumping(pool, key)
    pump.take(key, records("ab"))
    journal.down = True
    with pytest.raises(Unavailable):
        await pump.commit()
    pump.take(key, records("c", 2))
    journal.down = False

    assert [{key: 2}, {key: 3}] == [await pump.commit(), await pump.commit()]
    assert (["ab", "ab", "abc"], ["ab", "abc"]) == (journal.saved, journal.published)


async def test_refused_record_is_kept_with_its_reason(pool: connections.Pool, key: Key) -> None:
    """A dead letter is written by the transaction that passes it."""
    pump, journal = await pumping(pool, key)
    pump.take(key, records("a b"))
    await pump.commit()
    async with connections.connection(pool) as conn:
        rows = await conn.fetch(
            'SELECT "offset", code, reason, value FROM dead_letter WHERE topic = $1', key.topic
        )

    assert [(1, "empty", "value: must not be empty", b"")] == [tuple(row) for row in rows]
    assert ["ab"] == journal.saved


async def test_lost_records_are_reported(pool: connections.Pool, key: Key) -> None:
    """What retention removed before it was read becomes a dead letter, and the fold goes on after it."""
    pump, _ = await pumping(pool, key)
    owned = pump.owned[key]

    owned.pass_gap(7)

    assert (7, [("retention_gap", 7)]) == (owned.position, [(dead.code, dead.lost) for dead in owned.dead])
    assert "…" == pump.owned[key].checkpoint().checkpoint.work


async def test_what_retention_takes_of_a_stopped_partition_does_not_resume_it(
    pool: connections.Pool, key: Key
) -> None:
    """It stands where it stood, whoever owns it; the gap is reported once it goes on."""
    pump, _ = await pumping(pool, key)
    pump.take(key, records(" " * WINDOW))
    await pump.commit()
    successor, _ = await pumping(pool, key, "b")
    owned = successor.owned[key]

    owned.pass_gap(5_000)

    assert (WINDOW, []) == (owned.next, owned.dead)
    assert owned.is_stopped()
    owned.resume(WINDOW)
    owned.pass_gap(5_000)
    assert (5_000, 1) == (owned.next, len(owned.dead))


async def test_a_partition_is_stopped_until_it_is_resumed(pool: connections.Pool, key: Key) -> None:
    """Neither a commit nor a successor takes more of it; all that was bad is a dead letter once."""
    pump, _ = await pumping(pool, key)
    pump.take(key, records("a" + " " * (WINDOW + 30)))
    assert {key: WINDOW + 1} == await pump.commit()
    await pump.resume()
    successor, journal = await pumping(pool, key, "b")
    assert successor.take(key, records("xyz", WINDOW + 1))
    await successor.resume()
    assert ({}, []) == (await successor.commit(), successor.rewinds())

    async with connections.connection(pool) as conn:
        rows = await conn.fetch("SELECT stopped_at, reason FROM breaker WHERE topic = $1", key.topic)
        dead_letters = await conn.fetchval("SELECT count(*) FROM dead_letter WHERE topic = $1", key.topic)
        said = "all of the last 1,000 messages were bad"
        assert ([(WINDOW + 1, said)], WINDOW) == ([tuple(row) for row in rows], dead_letters)
        assert WINDOW + 1 == await resume(cast(SingleConnection, conn), *key, 0)
    await successor.resume()
    assert [key] == successor.rewinds()
    successor.take(key, records(" " * 30 + "b", WINDOW + 1))
    await successor.commit()

    assert ["ab"] == journal.saved


async def test_what_an_operator_resumed_stays_resumed(pool: connections.Pool, key: Key) -> None:
    """For a successor too; beyond it all is counted anew."""
    pump, _ = await pumping(pool, key)
    pump.take(key, records(" " * WINDOW))
    await pump.commit()
    await pump.resume()
    async with connections.connection(pool) as conn:
        assert 1_400 == await resume(cast(SingleConnection, conn), *key, 1_400)
    successor, _ = await pumping(pool, key, "b")
    successor.take(key, records(" " * 3_000, WINDOW))

    assert {key: 1_400 + WINDOW} == await successor.commit()


async def test_a_stopped_producer_is_known_after_a_restart(pool: connections.Pool, key: Key) -> None:
    """By its dead letters: the good messages of others are folded, its own become dead letters that name it."""
    bad, good = b'{"producer":"p-1"}', b'{"producer":"p-2","good":1}'
    pump, _ = await pumping(pool, key)
    pump.take(key, [Record(offset, 1, bad if offset % 5 == 0 else good) for offset in range(1_100)])
    await pump.commit()
    successor, journal = await pumping(pool, key, "b")
    successor.take(key, [Record(1_100, 1, b'{"producer":"p-1","good":1}'), Record(1_101, 1, good)])
    await successor.commit()

    async with connections.connection(pool) as conn:
        rows = await conn.fetch(
            "SELECT code, producer, count(*) FROM dead_letter WHERE topic = $1 GROUP BY 1, 2 ORDER BY 1",
            key.topic,
        )
        reason = await conn.fetchval(
            'SELECT reason FROM dead_letter WHERE topic = $1 AND "offset" = 1100', key.topic
        )
    assert [("empty", "p-1", 100), ("producer_stopped", "p-1", 121)] == [tuple(row) for row in rows]
    assert "p-1 is stopped: 80 of the last 1,000 messages were bad ones of it" == reason
    assert journal.saved[-1].endswith(good.decode())
    assert 881 == journal.saved[-1].count("good")
