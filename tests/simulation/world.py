"""A world from a seed: producers, some with wrong clocks, a log, workers, a store, and what goes wrong between them.

Messages may vanish before the log has them, and the log may lose them before they are read.

Spans are seconds, times of the log milliseconds UTC. Invariant: the seed decides everything, and every world comes to
rest with the tables that one process without any failure would have made of its log.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition

from shared.errors import Unavailable, UnknownVersion
from shared.stream.processor import Fold, Key, Processor, Record, Stored
from shared.stream.pump import Pump
from tests.simulation.logs import Logs
from tests.simulation.service import Point, Sent, Service
from tests.support.simulated.kafka import MemoryConsumer, MemoryLog, MemoryLogReader, MemorySender
from tests.support.simulated.loop import Process, SimulatedLoop
from tests.support.simulated.network import Network
from tests.support.simulated.store import MemoryCheckpoints, MemoryStore
from tests.support.simulated.worker import MemoryGroup, SimulatedWorker

TOPIC = "points"
T0_MS = 1_732_252_800_000
TROUBLE_S = 20.0
"""How long things go wrong."""

REST_S = 200.0
"""Within so long after that, everything is at rest."""

STEPS_MS = (0, 300, 900, 2_500, 9_000, 31_000, 200_000)
SKEWS_MS = (0, 0, 0, 0, 0, 5_000, 15_000, 960_000, 3_660_000, -90_000)
"""How far the clock of a gateway may be ahead."""

UNREADABLE = b"\xc1 nobody can read this"

AGES_MS = (0, 0, 0, 0, 700, 1_500, 9_000, 25_000, 130_000, 2_000_000)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a world is made of; a test replaces some by mutants."""

    service: Service
    checkpoints: type[MemoryCheckpoints] = MemoryCheckpoints
    pump: type[Pump[Any]] = Pump
    reader: type[MemoryLogReader] = MemoryLogReader


@dataclass(slots=True)
class Hasty:
    """A fold that wants commits at odd moments and looks larger than it is."""

    fold_of: Fold[Any]
    chance: random.Random
    early: float
    bloated: int

    @property
    def urgent(self) -> bool:
        """Often, or only when it is."""
        return self.fold_of.urgent or self.chance.random() < self.early

    @property
    def waiting_bytes(self) -> int:
        """More than it says."""
        return self.fold_of.waiting_bytes * self.bloated

    def fold(self, record: Record) -> None:
        """As it is."""
        self.fold_of.fold(record)

    def pass_over(self, record: Record) -> None:
        """As it is."""
        self.fold_of.pass_over(record)

    def pass_gap(self) -> None:
        """As it is."""
        self.fold_of.pass_gap()

    def checkpoint(self) -> Any:
        """As it is."""
        return self.fold_of.checkpoint()


@dataclass(slots=True)
class Rushed:
    """A processor whose folds are hasty."""

    processor: Processor[Any]
    chance: random.Random
    early: float
    bloated: int

    async def restore(self, connection: Any, stored: Mapping[Key, Stored]) -> dict[Key, Hasty]:
        """As they are, but hasty."""
        folds = await self.processor.restore(connection, stored)
        return {
            key: Hasty(fold, self.chance, self.early, self.bloated)
            for key, fold in folds.items()
            if not isinstance(fold, UnknownVersion)
        }

    def __getattr__(self, name: str) -> Any:
        return getattr(self.processor, name)


class World:
    """One seed."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self._seed = seed
        self.chance = chance = random.Random(seed)
        self.service, self._parts = parts.service, parts
        self.loop = SimulatedLoop(chance)
        self.odd = chance.choice((0.0, 0.1, 0.3))
        self.early = chance.choice((0.0, 0.0, 0.1, 0.9))
        self.bloated = chance.choice((1, 1, 1 << 14, 1 << 22))
        self.lost = chance.choice((0.0, 0.0, 0.01, 0.05))
        self.slow = chance.choice((0.0, 0.03, 0.15))
        self.vanishing = chance.choice((0.0, 0.0, 0.2))
        """Part of the messages that never reach the log, though their producer believes it."""
        self.kafka, self.postgres = (
            Network(self.loop, chance, server, self.lost, self.slow) for server in ("kafka", "postgres")
        )
        self.log = MemoryLog(self.kafka)
        self.store = MemoryStore(self.postgres, chance.choice((0.0, 0.1, 0.4)))
        self.keys = [Key(TOPIC, partition) for partition in range(chance.choice((1, 1, 2, 3)))]
        self.group = MemoryGroup(self.kafka, chance, [TopicPartition(*key) for key in self.keys])
        self.workers: list[SimulatedWorker] = []
        self.starts = 0
        self.clock_ms = T0_MS
        self.digits: Counter[tuple[int, int]] = Counter()
        self.sent: dict[Key, dict[tuple[str, int], Sequence[Point]]] = defaultdict(dict)
        """What each message in the log holds, by its producer and number."""
        self.logs = Logs(self.log, self.keys, chance, parts.reader)

    def run(self) -> None:
        """Let it happen."""
        # The pump draws its pauses from the generator that all of Python shares.
        random.seed(self._seed)
        self.loop.run(self._course())

    async def _course(self) -> None:
        for _ in range(self.chance.choice((1, 2, 2, 3))):
            self._start()
        troubles = [asyncio.create_task(self._troubles()), asyncio.create_task(self.logs.trouble())]
        gateways = [asyncio.create_task(self._gateway(number)) for number in range(2)]
        operator = asyncio.create_task(self.logs.operate(self.store))
        await asyncio.gather(*troubles, *gateways)
        await self._peace()
        await self._rest()
        operator.cancel()

    def _start(self, _: SimulatedWorker | None = None) -> None:
        self.starts += 1
        self.workers = [worker for worker in self.workers if worker.process.alive]
        processor = self.service.processor(MemorySender(self.log, self.chance))
        checkpoints = self._parts.checkpoints(self.store, f"worker-{self.starts}")
        self.workers.append(
            SimulatedWorker(
                self.loop,
                self.group,
                MemoryConsumer(self.log, self.chance, self.odd),
                self._parts.pump(
                    Rushed(processor, self.chance, self.early, self.bloated),
                    checkpoints,
                    self._parts.reader(self.log),
                ),
                checkpoints,
                self._restart,
            )
        )

    def _restart(self, _: SimulatedWorker) -> None:
        self.kafka.later(self.chance.uniform(0.5, 5), self._start)

    async def _troubles(self) -> None:
        happens = (
            self._kill, self._freeze, self._freeze, self._stop, self._shuffle, self._restart_store, self._stop_kafka,
        )  # fmt: skip
        moments = sorted(self.chance.uniform(0, TROUBLE_S) for _ in range(self.chance.randrange(7)))
        for moment in moments:
            await asyncio.sleep(moment - self.loop.time())
            self.chance.choice(happens)()

    def _one(self) -> Iterator[SimulatedWorker]:
        alive = [one for one in self.workers if one.process.alive and not one.process.frozen]
        if alive:
            yield self.chance.choice(alive)

    def _kill(self) -> None:
        for worker in self._one():
            worker.die("killed")

    def _freeze(self) -> None:
        for worker in self._one():
            worker.freeze(self.chance.choice((0.3, 3.0, 9.0, 14.0)))

    def _stop(self) -> None:
        for worker in self._one():
            worker.stopping.set()

    def _shuffle(self) -> None:
        self.group.rebalance()

    def _restart_store(self) -> None:
        self.postgres.up = False
        self.store.restart()
        self.postgres.later(self.chance.uniform(0, 8), setattr, self.postgres, "up", True)

    def _stop_kafka(self) -> None:
        self.kafka.up = False
        self.kafka.later(self.chance.uniform(0, 8), setattr, self.kafka, "up", True)

    async def _gateway(self, number: int) -> None:
        """Processes of a gateway, one after the other; each partition has one message on its way at a time."""
        for life in range(self.chance.choice((1, 1, 2))):
            process = Process(self.loop)
            sent = Sent(f"gateway-{number}-{life}", 0, 0, self.chance.choice(SKEWS_MS))
            jobs = [process.start(self._publish(sent, key)) for key in self.keys]
            span_s = self.chance.choice((5.0, TROUBLE_S))
            await asyncio.wait(jobs, timeout=span_s)
            process.kill()

    async def _publish(self, sent: Sent, key: Key) -> None:
        for seq in range(self.chance.randrange(1, 5)):
            await asyncio.sleep(self.chance.choice((0.05, 1.0, 4.0)))
            now = sent._replace(seq=seq, clock_ms=self._tick())
            points = self._points(key)
            if self.chance.random() >= self.vanishing:
                await self._send(key, now, points)

    def _tick(self) -> int:
        self.clock_ms += self.chance.choice(STEPS_MS)
        return self.clock_ms

    def _points(self, key: Key) -> list[Point]:
        points = []
        for _ in range(self.chance.choice((0, 1, 2, 5))):
            series = key.partition * 10 + self.chance.randrange(2)
            ts_ms = self.clock_ms - self.chance.choice(AGES_MS)
            at = series, ts_ms // 10_000
            self.digits[at] += 1
            weight = self.chance.choice((1.0, 1.0, 1.0, 2.0, -1.0))
            points.append(Point(series, ts_ms, 4.0 ** (self.digits[at] - 1), weight))
        return points

    async def _send(self, key: Key, sent: Sent, points: Sequence[Point]) -> None:
        """Send until it is acknowledged, and sometimes once more."""
        value = self.service.encode(sent, points)
        if points and self.chance.random() < 0.03:
            points, value = (), UNREADABLE

        label = sent.producer, sent.seq

        def append() -> None:
            self.logs.append(key, sent.clock_ms, value, label)
            self.sent[key][label] = points

        self.logs.under_way.add((key, label))
        again = True
        while again:
            try:
                await self.kafka.call(append)
                again = self.chance.random() < 0.1
            except Unavailable:
                continue
        self.logs.under_way.discard((key, label))

    async def _peace(self) -> None:
        """End all troubles, and carry time forward until every window has closed."""
        self.postgres.lost = self.kafka.lost = self.store.unknown = 0.0
        self.postgres.slow = self.kafka.slow = 0.0
        self.postgres.up = self.kafka.up = True
        self.odd = 0.0
        for worker in self.workers:
            worker.consumer.odd = 0.0
        self.clock_ms += 2 * max(self.service.spans_ms)
        for key in self.keys:
            await self._send(key, Sent("last", 0, self.clock_ms), ())

    async def _rest(self) -> None:
        deadline_s = self.loop.time() + REST_S
        while not (
            self._is_at_rest() and await self.logs.nothing_to_accept(self.store) and self._is_at_rest()
        ):
            await asyncio.sleep(1.0)
            if self.loop.time() > deadline_s:
                states = {key: (self._at(key), len(self.logs.history(key))) for key in self.keys}
                raise AssertionError(f"no rest within {REST_S:g} s: {states}")

    def _is_at_rest(self) -> bool:
        return self.logs.at_rest and all(self._at(key) == len(self.logs.history(key)) for key in self.keys)

    def _at(self, key: Key) -> int:
        row = self.store.rows.get(key)
        return row[0].next_offset if row else 0
