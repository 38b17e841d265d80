"""A world in which blocks and answers are read while their rows are published, committed, rolled back, cached, lost.

Seconds of the loop's clock, milliseconds UTC in the log. Cache, source, answers and the feed's state are the real ones;
log, tables and Redis stand in memory, each step of theirs delayed by chance. A value counts the revisions of a block in
a partition, so it only grows. Invariant: a read gives no less than what was committed a second before it began.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.gateway.query.cache.answers import Answers
from services.gateway.query.cache.blocks import CachedBlocks
from services.gateway.query.cache.cache import Cache
from services.gateway.query.cache.memory import Memory
from services.gateway.query.cache.shapes import AskedShapes
from services.gateway.query.cache.statistics import ANSWERS, Statistics
from services.gateway.query.cache.wired import FeedChanges
from services.gateway.query.feed.feed import Feed
from services.gateway.query.feed.readings import NO_NAMES, Block, Message, Unreadable
from services.gateway.query.feed.state import FeedState
from services.gateway.query.questions.ports import Answer
from services.gateway.query.questions.source import WindowSource
from shared.model.window import BASE_MS
from shared.wire.series import head
from tests.simulation.stale.around import (
    BLOCK_MS,
    BLOCKS_MS,
    LIVE,
    NOW_MS,
    OPEN_MS,
    PARTITIONS,
    SELECTION,
    WATERMARK_MS,
    NoSalts,
    OpenWindows,
    Record,
    SharedEntries,
    Snapshots,
    Tables,
    Values,
    values_of,
)
from tests.support.simulated.loop import Process, SimulatedLoop

HEAD = head(1, "m")
BACK_S = 900.0
"""How far back a feed begins."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a world is made of; a mutant changes one."""

    cache: Callable[..., Cache] = Cache
    state: Callable[[], FeedState] = FeedState
    changes: Callable[[Feed], FeedChanges] = FeedChanges
    tables: Callable[["World"], Snapshots] = Snapshots
    source: Callable[..., WindowSource] = WindowSource
    answers: Callable[..., Answers] = Answers
    deletes: bool = False
    """A message deletes the entries of its blocks when it is read."""
    asks: float = 0.5
    """How many of the reads are questions, which go through source and answers; the others read a block by itself."""


class QueryProcess:
    """A process that follows the log and answers from its cache."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.process = Process(world.loop)
        self.state = world.parts.state()
        feed = Feed(self.state, world.now_ms)
        self.memory = Memory(64 << 20, world.loop.time)
        changes = world.parts.changes(feed)
        tables = world.parts.tables(world)
        self.cache = world.parts.cache(tables, changes, world.shared, NoSalts(), self.memory, world.loop.time)
        blocks = CachedBlocks(self.cache, AskedShapes(world.loop.time))
        self.source = world.parts.source(blocks, tables, OpenWindows(world), world.now_ms)
        self.statistics = Statistics()
        self.answers = world.parts.answers(self.statistics)
        self.process.start(self._follow())

    async def _follow(self) -> None:
        """Read the log, at most some hundred milliseconds late unless it stalls."""
        world = self._world
        since_s = world.loop.time() - BACK_S
        self.state.begin(range(PARTITIONS), int(NOW_MS + since_s * 1000))
        begin = [sum(record.at_s < since_s for record in log) for log in world.log]
        while True:
            await world.pause(0.5)
            await world.awake.wait()
            at_ms, ends = world.now_ms(), [len(log) for log in world.log]
            await world.pause(5.0 if world.chance.random() < 0.03 else 0.2)
            for partition, log in enumerate(world.log):
                read = [record.message for record in log[begin[partition] : ends[partition]]]
                begin[partition] = ends[partition]
                self.state.take(read)
                if world.parts.deletes:
                    await self._delete(read)
                self.state.level(partition, at_ms)

    async def _delete(self, read: list[Message | Unreadable]) -> None:
        if any(isinstance(one, Message) and one.changes for one in read):
            self.memory.clear()
            self._world.shared.entries.clear()

    async def read(self, *, joined: bool) -> None:
        """Ask for a block, and judge what comes."""
        world, began_s = self._world, self._world.loop.time()
        block_ms = world.chance.choice(BLOCKS_MS)
        least = world.tables.least(block_ms, began_s - 1.0)
        seen: dict[int, int] = {}
        if joined and not world.was_reset:
            seen = dict(enumerate(world.tables.next_offset))
            least = world.tables.least(block_ms, began_s)
        rows = await self.cache.block(SELECTION, BASE_MS, block_ms, world.now_ms(), seen)
        self._judge(began_s, block_ms, least, values_of(rows))

    async def ask(self) -> None:
        """Ask what a block adds up to, as questions are asked, and judge the answer."""
        world, began_s = self._world, self._world.loop.time()
        block_ms = world.chance.choice(BLOCKS_MS)
        least = world.tables.least(block_ms, began_s - (1.0 if world.was_reset else 0.0))
        if block_ms == OPEN_MS and world.live_value:
            least |= {LIVE: world.live_value}
        gathered = await self.source.gathered(SELECTION, block_ms, block_ms + BLOCK_MS, BASE_MS, live=True)

        async def made() -> Answer:
            await world.pause(0.3)
            return {str(at): value for at, value in values_of(gathered.rows()).items()}

        answer = await self.answers.answer(1, str(block_ms).encode(), gathered.state, made)
        world.answers += 1
        self._judge(began_s, block_ms, least, {int(at): value for at, value in answer.items()})

    def known_answers(self) -> int:
        """How many answers were known."""
        return self.statistics.whole.counts["l1", ANSWERS, "hits"]

    def _judge(
        self, began_s: float, block_ms: int, least: Mapping[int, int], found: Mapping[int, int]
    ) -> None:
        self._world.reads += 1
        if any(found.get(partition, 0) < value for partition, value in least.items()):
            self._world.wrong.append(f"{began_s:.3f}: block {block_ms} {found}, committed before: {least}")


class World:
    """One order of everything, by seed."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.chance = random.Random(seed)
        self.loop = SimulatedLoop(self.chance)
        self.parts = parts
        self.tables = Tables()
        self.log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self.shared = SharedEntries(self)
        self.was_reset = False
        self.awake = asyncio.Event()
        self.awake.set()
        self.reads = 0
        self.answers = 0
        """Reads of answers."""
        self.live_value = 0
        """Of the open window; it only grows."""
        self.processes: list[QueryProcess] = []
        """All that ever ran."""
        self.wrong: list[str] = []

    def now_ms(self) -> int:
        """The clock of all, and of the broker."""
        return NOW_MS + int(self.loop.time() * 1000)

    async def pause(self, most_s: float) -> None:
        """Wait for some time up to so long."""
        await asyncio.sleep(self.chance.random() * most_s)

    async def rest(self, most_s: float) -> None:
        """The same, while no feed reads: then much waits for it, and nothing is known."""
        self.awake.clear()
        await self.pause(most_s)
        self.awake.set()

    def begun(self) -> "QueryProcess":
        """A process that starts now."""
        process = QueryProcess(self)
        self.processes.append(process)
        return process

    def append(self, partition: int, next_offset: int, changes: tuple[Block, ...]) -> None:
        """A message with closed rows of these blocks, or a tick; now and then nobody can read it."""
        at_ms = self.now_ms()
        message: Message | Unreadable = Message(
            partition, at_ms, True, next_offset, WATERMARK_MS, tick=not changes, starts_ms=(0, 0), changes=changes,
            value=b"", packed=False, names=NO_NAMES,
        )  # fmt: skip
        if self.chance.random() < 0.01:
            message = Unreadable(partition, at_ms, "noise")
        self.log[partition].append(Record(self.loop.time(), message))


async def aggregate(world: World, partition: int) -> None:
    """Owners of a partition, one after another: each publishes what it then commits, or dies in between."""
    salt = world.chance.random()
    while True:
        await world.pause(world.chance.choice((0.5, 3.0, 600.0)))
        start = world.tables.next_offset[partition]
        end = start + world.chance.randint(1, 5)
        values = _folded(world, partition, (salt, start, end))
        changed = [place for place, value in values.items() if value != world.tables.values.get(place, 0)]
        dies_after = world.chance.randrange(len(changed) + 2) if world.chance.random() < 0.2 else None
        for number, place in enumerate(changed):
            if number == dies_after:
                break
            world.append(partition, end, (Block(HEAD, BASE_MS, place[1]),))
            await world.pause(0.05)
        else:
            if dies_after is None or dies_after > len(changed):
                world.append(partition, end, ())
            await world.pause(2.0 if world.chance.random() < 0.1 else 0.2)
            if dies_after is None:
                world.tables.commit(partition, end, values, world.loop.time())
        if world.chance.random() < 0.02:
            await world.pause(3.0)
            # An operator puts the partition back: other records stand at these offsets by now.
            world.tables.next_offset[partition] = max(0, end - 20)
            salt, world.was_reset = world.chance.random(), True


def _folded(world: World, partition: int, span: tuple[float, int, int]) -> Values:
    """What the records of a span make of the blocks: a function of the log."""
    salt, start, end = span
    values = {
        (partition, block_ms): world.tables.values.get((partition, block_ms), 0) for block_ms in BLOCKS_MS
    }
    for offset in range(start, end):
        drawn = hash((salt, offset)) % 100
        block_ms = BLOCKS_MS[drawn % len(BLOCKS_MS)]
        if drawn < 40 and (partition, block_ms) != (LIVE, OPEN_MS):
            values[partition, block_ms] += 1
    return values


async def open_window(world: World) -> None:
    """Points come into the window that has not closed."""
    while True:
        await world.pause(world.chance.choice((0.5, 600.0)))
        world.live_value += 1


async def live(world: World) -> None:
    """Two processes that are asked, restarted, and lose Redis."""
    processes = [world.begun() for _ in range(2)]
    for partition in range(PARTITIONS):
        world.loop.create_task(aggregate(world, partition))
    world.loop.create_task(open_window(world))
    for _ in range(40):
        if world.chance.random() < 0.05:
            await world.rest(2_000.0)
        await world.pause(world.chance.choice((0.05, 0.3, 1.0, 1.0, 4.0)))
        at = world.chance.randrange(2)
        for _ in range(world.chance.choice((1, 1, 1, 3))):
            one = processes[at]
            asks = world.chance.random() < world.parts.asks
            one.process.start(one.ask() if asks else one.read(joined=world.chance.random() < 0.3))
        drawn = world.chance.random()
        if drawn < 0.05:
            processes[at].process.kill()
            processes[at] = world.begun()
        elif drawn < 0.08:
            world.shared.entries.clear()
            world.shared.away_until_s = world.loop.time() + world.chance.random() * 10
    await asyncio.sleep(5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a world."""

    seed: int
    reads: int
    hits: int
    """Blocks for which no table was read."""
    asked: int
    """Blocks that were asked for."""
    answers: int
    known_answers: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: " + "; ".join(self.wrong[:3])


def simulate(seed: int, parts: Parts = Parts()) -> Outcome:
    """One world from its beginning to its end."""
    world = World(seed, parts)
    world.loop.run(live(world))
    blocks = [process.cache.statistics.whole for process in world.processes]
    hits, asked = sum(one.asked - one.loaded for one in blocks), sum(one.asked for one in blocks)
    known = sum(process.known_answers() for process in world.processes)
    return Outcome(seed, world.reads, hits, asked, world.answers, known, tuple(world.wrong))
