"""What ends workers stops its own partition, on a real Postgres: records, rows and snapshots."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from deploy.postgres import partitions
from shared.errors import Misconfigured
from shared.postgres import connections
from shared.postgres.connections import Connection, SingleConnection
from shared.stream.containment.death_store import DeathTable
from shared.stream.containment.deaths import MAX_DEATHS, SILENT
from shared.stream.ownership import Ownership
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.stream.pump import Pump
from tests.support.logs import FakeLog


class Killed(BaseException):
    """A process that ends without a word."""


@dataclass
class Text:
    """A fold that concatenates values; a `!` is a bug, and a `?` ends the process without a word."""

    text: str
    dies_of: str
    urgent: bool = False
    waiting_bytes: int = 0

    def fold(self, record: Record) -> None:
        """Take a value in."""
        value = (record.value or b"").decode()
        if value in self.dies_of:
            raise {"!": ZeroDivisionError, "?": Killed}.get(value, KeyError)(value)
        self.text += value

    def pass_over(self, record: Record) -> None:
        """Nothing."""

    def pass_gap(self) -> None:
        """Nothing."""

    def checkpoint(self) -> Checkpoint[str]:
        """All values so far."""
        return Checkpoint(self.text, 1, b"seen", self.text.encode())


@dataclass
class Build:
    """A processor; Postgres refuses a text with an `x` for ever, and a snapshot with an `s` cannot be restored."""

    dies_of: str = "!?"
    refuses: Mapping[str, type[Exception]] = field(
        default_factory=lambda: {"x": asyncpg.NumericValueOutOfRangeError}
    )
    saved: dict[Key, str] = field(default_factory=dict)

    async def restore(self, connection: Connection, stored: Mapping[Key, Stored]) -> dict[Key, Text]:
        """The texts of the snapshots."""
        texts = {key: (at.snapshot or b"").decode() for key, at in stored.items()}
        if any("s" in text for text in texts.values()) and "s" in self.dies_of:
            raise ValueError("s in a snapshot")
        return {key: Text(text, self.dies_of) for key, text in texts.items()}

    async def save(self, connection: Connection, cuts: Sequence[Cut[str]]) -> None:
        """Keep it, unless there is something to refuse."""
        for letter, error in self.refuses.items():
            if any(letter in cut.checkpoint.work for cut in cuts):
                raise error(f"a text holds {letter}")
        self.saved |= {cut.key: cut.checkpoint.work for cut in cuts}

    async def publish(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""

    async def settled(self, cuts: Sequence[Cut[str]]) -> None:
        """Nothing."""


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


@dataclass
class System:
    """A log of two partitions, and workers one after the other."""

    pool: connections.Pool
    log: dict[Key, str]
    lives: int = 0

    async def life(self, build: Build) -> tuple[Pump[str], BaseException | None]:
        """One worker: it acquires all, folds the log and commits; with what has ended it, if anything has."""
        self.lives += 1
        pump = Pump(build, Ownership(self.pool, f"worker-{self.lives}"), FakeLog(), DeathTable(self.pool))
        try:
            pump.install(await pump.acquire(self.log))
            await self.work(pump)
        except (Killed, Exception) as problem:  # noqa: BLE001 # as the supervisor sees it
            return pump, problem
        return pump, None

    async def work(self, pump: Pump[str]) -> None:
        """Read the rest of the log; commit, and look what an operator decided."""
        for key, owned in sorted(pump.owned.items()):
            assert await pump.consume(key, records(self.log[key])[owned.next :])
        await pump.commit()
        await pump.resume()

    async def lives_until_stopped(self, build: Build) -> tuple[Pump[str], list[str]]:
        """Workers until one lives; with what ended those before it."""
        ended: list[str] = []
        while True:
            pump, problem = await self.life(build)
            if problem is None:
                return pump, ended
            ended.append(repr(problem))
            assert len(ended) < 10, "workers end for ever"

    async def stopped(self) -> list[tuple[int, int, str, str]]:
        """The partitions that an operator sees stopped: number, offset, kind and reason."""
        async with connections.connection(self.pool) as conn:
            topic = next(iter(self.log)).topic
            found = await partitions.listed(cast(SingleConnection, conn), topic, stopped=True)
        return [
            (each.partition, each.stop.offset, each.stop.kind, each.stop.reason)
            for each in found
            if each.stop
        ]

    async def operate(self, command: str, key: Key, *args: Any, **options: Any) -> Any:
        """What an operator does."""
        async with connections.connection(self.pool) as conn:
            return await getattr(partitions, command)(cast(SingleConnection, conn), *key, *args, **options)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the topic."""
        async with connections.connection(self.pool) as conn:
            return [tuple(row) for row in await conn.fetch(query, next(iter(self.log)).topic)]


DEAD_LETTERS = 'SELECT partition, "offset", code, value FROM dead_letter WHERE topic = $1'


async def test_a_record_that_ends_workers_ends_three_and_stops_its_partition_alone(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """What stands before it is committed, the other partition is current, and the error is told."""
    system, build = System(pool, {keys[0]: "ab!cd", keys[1]: "wyz"}), Build()

    pump, ended = await system.lives_until_stopped(build)

    assert ["ZeroDivisionError('!')"] * MAX_DEATHS == ended
    assert {keys[0]: "ab", keys[1]: "wyz"} == build.saved
    assert [(0, 2, "deaths")] == [stop[:3] for stop in await system.stopped()]
    assert (
        "the record at 2 has ended 3 workers; the last one said: ZeroDivisionError('!')"
        in ((await system.stopped())[0][3])
    )
    assert [] == await system.rows(DEAD_LETTERS)
    assert {keys[0]: 2, keys[1]: 3} == {key: owned.next for key, owned in pump.owned.items()}


async def test_a_skipped_record_is_a_dead_letter_and_all_else_counts(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """The same worker goes on, and no breaker counts it."""
    system, build = System(pool, {keys[0]: "ab!cd"}), Build()
    pump, _ = await system.lives_until_stopped(build)

    assert 2 == await system.operate("skip", keys[0], 2)
    await pump.resume()
    assert keys[:1] == pump.rewinds()
    await system.work(pump)

    assert {keys[0]: "abcd"} == build.saved
    assert [(0, 2, "skipped", b"!")] == await system.rows(DEAD_LETTERS)
    assert ([], []) == (
        await system.stopped(),
        await system.rows("SELECT * FROM worker_death WHERE topic = $1"),
    )


async def test_a_skip_is_kept_by_the_next_worker(pool: connections.Pool, keys: list[Key]) -> None:
    """The worker that was stopped may end before it hears of it."""
    system, build = System(pool, {keys[0]: "ab!cd"}), Build()
    await system.lives_until_stopped(build)

    await system.operate("skip", keys[0], None)
    _, problem = await system.life(build)

    assert (None, {keys[0]: "abcd"}) == (problem, build.saved)


async def test_a_resumed_record_is_tried_again_by_three_workers_at_most(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """A mended build folds it; one that is not mended stops again."""
    system, build = System(pool, {keys[0]: "ab!cd"}), Build()
    pump, _ = await system.lives_until_stopped(build)
    await system.operate("resume", keys[0], 0)
    await pump.resume()
    with pytest.raises(ZeroDivisionError):
        await system.work(pump)
    _, ended = await system.lives_until_stopped(build)
    assert (2, 1) == (len(ended), len(await system.stopped()))

    await system.operate("resume", keys[0], 0)
    mended = Build(dies_of="")
    _, problem = await system.life(mended)

    assert (None, {keys[0]: "ab!cd"}, []) == (problem, mended.saved, await system.stopped())


async def test_a_row_that_postgres_refuses_stops_its_partition_before_the_record_that_brought_it(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """Commits step down to single records; the partition beside it is committed all the while."""
    system, build = System(pool, {keys[0]: "abxcd", keys[1]: "wyz"}), Build()

    _, ended = await system.lives_until_stopped(build)

    assert MAX_DEATHS == len(ended)
    assert {keys[0]: "ab", keys[1]: "wyz"} == build.saved
    assert [(0, 2, "deaths")] == [stop[:3] for stop in await system.stopped()]
    assert "NumericValueOutOfRange" in (await system.stopped())[0][3]


async def test_a_snapshot_that_raises_stops_its_partition_alone(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """Nothing of it is restored; after an upgrade `resume` goes on where it stood."""
    system = System(pool, {keys[0]: "as", keys[1]: "w"})
    await system.life(Build())
    system.log = {keys[0]: "asb", keys[1]: "wy"}
    build = Build(dies_of="s")

    pump, ended = await system.lives_until_stopped(build)

    assert ["ValueError('s in a snapshot')"] * MAX_DEATHS == ended
    assert {keys[1]: "wy"} == build.saved
    assert [(0, 2, "restore")] == [stop[:3] for stop in await system.stopped()]
    with pytest.raises(Misconfigured, match="not stopped by one record"):
        await system.operate("skip", keys[0], None)
    build.dies_of = ""
    await system.operate("resume", keys[0], 0)
    await pump.resume()
    released = pump.releases()
    assert keys[:1] == released
    pump.add(await pump.acquire(released))
    await system.work(pump)
    assert ({keys[0]: "asb", keys[1]: "wy"}, []) == (build.saved, await system.stopped())


async def test_what_is_wrong_with_the_schema_is_no_death_of_a_record(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """A missing column or right ends workers until it is mended, and stops no partition for good."""
    system = System(pool, {keys[0]: "abx"})
    build = Build(refuses={"x": asyncpg.UndefinedColumnError})
    for _ in range(2 * MAX_DEATHS):
        _, problem = await system.life(build)
        assert isinstance(problem, asyncpg.UndefinedColumnError)

    mended = Build(refuses={})
    assert (None, []) == ((await system.life(mended))[1], await system.stopped())
    assert {keys[0]: "abx"} == mended.saved


async def test_a_record_that_ends_processes_without_a_word_is_found_by_marks(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """One unknown death, then three at the record: then its partition is stopped, and the other is current."""
    system, build = System(pool, {keys[0]: "ab?cd", keys[1]: "wyz"}), Build()

    _, ended = await system.lives_until_stopped(build)

    assert MAX_DEATHS + 1 == len(ended)
    assert {keys[0]: "ab", keys[1]: "wyz"} == build.saved
    assert [(0, 2, "deaths")] == [stop[:3] for stop in await system.stopped()]
    assert SILENT in (await system.stopped())[0][3]


async def test_processes_that_are_killed_from_outside_stop_no_partition(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """Before the first commit, and each time after records were folded under marks."""
    system, build = System(pool, {keys[0]: "abcd"}), Build()
    for _ in range(4 * MAX_DEATHS):
        system.lives += 1
        pump = Pump(build, Ownership(pool, f"worker-{system.lives}"), FakeLog(), DeathTable(pool))
        pump.install(await pump.acquire(system.log))
        assert await pump.consume(keys[0], records("abc"))
        assert [] == await system.rows("SELECT * FROM worker_death WHERE topic = $1")

    _, problem = await system.life(build)

    assert (None, {keys[0]: "abcd"}, []) == (problem, build.saved, await system.stopped())


STATE = "SELECT next_offset, watermark_ms, seen, snapshot FROM partition_state WHERE topic = $1"


async def test_a_reset_keeps_what_was_folded(pool: connections.Pool, keys: list[Key]) -> None:
    """The owner acquires the partition anew, without a restart, and goes on from the new offset."""
    system, build = System(pool, {keys[0]: "abcd"}), Build()
    pump, _ = await system.life(build)
    await system.operate("reset", keys[0], 2, without_state=False)
    assert [(2, 1, b"seen", b"abcd")] == await system.rows(STATE)

    await pump.resume()
    assert await pump.consume(keys[0], records("e", 4))
    assert {} == await pump.commit()
    await pump.resume()
    pump.add(await pump.acquire(pump.releases()))
    await system.work(pump)

    assert ({keys[0]: "abcdcd"}, None) == (build.saved, pump.fenced())


async def test_a_reset_without_state_leaves_no_row_of_the_checkpoint(
    pool: connections.Pool, keys: list[Key]
) -> None:
    """Open windows, running totals, batch ids, producers and watermark are gone in one transaction."""
    system = System(pool, {keys[0]: "as"})
    await system.life(Build())
    async with connections.connection(pool) as conn:
        await conn.execute("INSERT INTO open_window VALUES ($1, $2, 60000, 'x'), ($1, $2, 0, 'x')", *keys[0])
        await conn.execute("INSERT INTO batch_id VALUES ($1, $2, now(), 2, '', '', '')", *keys[0])
    build = Build(dies_of="s")
    pump, _ = await system.lives_until_stopped(build)

    await system.operate("reset", keys[0], 1, without_state=True)
    assert [(1, None, b"", None)] == await system.rows(STATE)
    assert [] == await system.rows("SELECT 1 FROM open_window WHERE topic = $1")
    assert [] == await system.rows("SELECT 1 FROM batch_id WHERE topic = $1")
    build.dies_of = ""
    await pump.resume()
    pump.add(await pump.acquire(pump.releases()))
    await system.work(pump)

    assert ({keys[0]: "s"}, []) == (build.saved, await system.stopped())


@pytest.mark.parametrize("command", ["resume", "skip"])
async def test_what_is_not_stopped_is_not_changed(
    pool: connections.Pool, keys: list[Key], command: str
) -> None:
    """And the command says so."""
    system = System(pool, {keys[0]: "ab"})
    await system.life(Build())

    with pytest.raises(Misconfigured, match="is not stopped"):
        await system.operate(command, keys[0], 0)
