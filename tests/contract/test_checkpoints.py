"""What `pump.Checkpoints` promises, in Postgres and in the memory that simulations use: one suite for both."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from shared.errors import Unavailable
from shared.postgres import connections
from shared.stream.checkpoints import Checkpoints
from shared.stream.ownership import Outcome, Ownership
from shared.stream.processor import Checkpoint, Cut, Key, Stored
from tests.support.simulated.network import Network
from tests.support.simulated.store import MemoryCheckpoints, MemoryStore

Owners = Callable[[str], Checkpoints]
"""The checkpoints as a process of this name sees them."""


@pytest_asyncio.fixture(params=["memory", "postgres"])
async def owners(request: pytest.FixtureRequest) -> AsyncIterator[Owners]:
    """Processes on one store."""
    if request.param == "memory":
        network = Network(asyncio.get_running_loop(), random.Random(1), "memory")
        store = MemoryStore(network)
        yield lambda name: MemoryCheckpoints(store, name)
    else:
        stack: Stack = request.getfixturevalue("stack")
        pool = await connections.pool(stack.postgres, 4)
        yield lambda name: Ownership(pool, name)
        await pool.close()


@dataclass
class Writer:
    """Takes the work of cuts down."""

    written: list[str] = field(default_factory=list)
    down: bool = False

    async def __call__(self, connection: Any, cuts: Sequence[Cut[Any]]) -> None:
        """Note it, unless something is down."""
        if self.down:
            raise Unavailable("kafka", "down")
        self.written += [cut.checkpoint.work for cut in cuts]


@pytest.fixture
def keys() -> list[Key]:
    """Two partitions that no other test knows."""
    topic = f"topic-{uuid4().hex}"
    return [Key(topic, 0), Key(topic, 1)]


async def folds(_: Any, stored: Mapping[Key, Stored]) -> int:
    """How many partitions are to be restored."""
    return len(stored)


async def acquired(owners: Owners, name: str, keys: Sequence[Key]) -> dict[Key, Stored]:
    """The checkpoints that a process finds."""
    return (await owners(name).acquire(keys, folds))[0]


def cut(key: Key, epoch: int, start: int, end: int) -> Cut[str]:
    """A cut whose work names it."""
    return Cut(key, epoch, start, end, Checkpoint(f"{key.partition}:{start}-{end}", end, b"seen", b"open"))


def settled(done: Sequence[Key] = (), fenced: Sequence[Key] = ()) -> Outcome:
    """What became of a commit."""
    return Outcome(frozenset(done), frozenset(fenced))


async def test_each_acquisition_raises_the_epoch(owners: Owners, keys: list[Key]) -> None:
    """An unknown partition begins at its beginning, with nothing seen and nothing open."""
    first = await acquired(owners, "a", keys)
    second = await acquired(owners, "b", keys[:1])

    assert dict.fromkeys(keys, Stored(1, 0, None, b"", None)) == first
    assert {keys[0]: Stored(2, 0, None, b"", None)} == second


async def test_a_successor_finds_what_was_committed(owners: Owners, keys: list[Key]) -> None:
    """Place, watermark, what was seen and what is open, all of one moment."""
    await acquired(owners, "a", keys)
    outcome = await owners("a").commit([cut(keys[0], 1, 0, 5)], Writer())

    assert settled([keys[0]]) == outcome
    assert {keys[0]: Stored(2, 5, 5, b"seen", b"open"), keys[1]: Stored(2, 0, None, b"", None)} == (
        await acquired(owners, "b", keys)
    )


async def test_a_former_owner_writes_nothing(owners: Owners, keys: list[Key]) -> None:
    """What another one has acquired is refused; the rest of the commit goes through."""
    await acquired(owners, "a", keys)
    await acquired(owners, "b", keys[1:])
    writer = Writer()

    assert settled(keys[:1], keys[1:]) == (
        await owners("a").commit([cut(keys[0], 1, 0, 5), cut(keys[1], 1, 0, 7)], writer)
    )
    assert ["0:0-5"] == writer.written


async def test_a_cut_that_is_in_the_tables_is_not_written_again(owners: Owners, keys: list[Key]) -> None:
    """It is known by its checkpoint, so a commit whose answer was lost can be made again."""
    await acquired(owners, "a", keys)
    writer = Writer()
    one, other = cut(keys[0], 1, 0, 5), cut(keys[1], 1, 0, 7)
    await owners("a").commit([one], writer)

    assert settled(keys) == await owners("a").commit([one, other], writer)
    assert ["0:0-5", "1:0-7"] == writer.written


@pytest.mark.parametrize(("start", "end"), [(4, 9), (6, 9), (0, 9)], ids=["before", "beyond", "long before"])
async def test_a_cut_that_begins_elsewhere_is_refused(
    owners: Owners, keys: list[Key], start: int, end: int
) -> None:
    """Nothing is left out, and nothing is counted twice."""
    await acquired(owners, "a", keys)
    await owners("a").commit([cut(keys[0], 1, 0, 5)], Writer())
    writer = Writer()

    assert settled(fenced=keys[:1]) == await owners("a").commit([cut(keys[0], 1, start, end)], writer)
    assert [] == writer.written


async def test_a_failed_write_undoes_the_commit(owners: Owners, keys: list[Key]) -> None:
    """The checkpoints stay where they are, and the same cuts can be committed later."""
    await acquired(owners, "a", keys)
    writer, cuts = Writer(down=True), [cut(key, 1, 0, 5) for key in keys]
    with pytest.raises(Unavailable):
        await owners("a").commit(cuts, writer)
    writer.down = False

    assert settled(keys) == await owners("a").commit(cuts, writer)
    assert ["0:0-5", "1:0-5"] == writer.written


async def test_a_successor_waits_for_a_commit_under_way(owners: Owners, keys: list[Key]) -> None:
    """It begins where that commit ends."""
    await acquired(owners, "a", keys)
    successor: list[asyncio.Task[dict[Key, Stored]]] = []

    async def write(_connection: Any, _cuts: Sequence[Cut[Any]]) -> None:
        successor.append(asyncio.create_task(acquired(owners, "b", keys)))
        await acquired(owners, "c", [Key(f"{keys[0].topic}-other", 0)])

    outcome = await owners("a").commit([cut(keys[0], 1, 0, 5)], write)

    assert settled(keys[:1]) == outcome
    found = (await successor[0])[keys[0]]
    assert (2, 5) == (found.epoch, found.next_offset)
